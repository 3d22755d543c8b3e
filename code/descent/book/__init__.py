"""What the pages of the book need and an optimizer does not: claims, tables, d2l made usable."""
