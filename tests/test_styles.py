"""code/tools/styles.py: which rules of a style sheet stay."""

from __future__ import annotations

from styles import pruned

NAMES = {"kept", "also", "top"}


def short(css: str) -> str:
    return pruned(css, NAMES).replace("\n", "")


def test_what_stays() -> None:
    for rule in (
        "body{color:red}",
        ".kept{color:red}",
        '#top .kept:hover::after{content:"}"}',
        ".kept:not(.gone){color:red}",
        "a[href$='.gone']{color:red}",
        "@media print{.kept{color:red}}",
        "@keyframes turn{from{opacity:0}to{opacity:1}}",
        ".kept{background:url(data:image/png;base64,AA==)}",
        '@import "other.css";',
    ):
        assert short(rule) == rule


def test_what_goes() -> None:
    for rule in (
        ".gone{color:red}",
        ".kept.gone{color:red}",
        ".kept #gone{color:red}",
        "@media print{.gone{color:red}}",
        "@supports (color:red){@media print{.gone{color:red}}}",
        "@font-face{font-family:'Font Awesome 6';src:url(x.woff2)}",
        "/* .kept{color:red} */",
    ):
        assert short(rule) == ""


def test_one_selector_of_several() -> None:
    assert short(".gone,.kept:is(.a,.gone),[title='a,b'] .gone,p{color:red}") == (
        ".kept:is(.a,.gone),p{color:red}"
    )
    assert short(".w\\:gone{color:red}.kept{color:red}") == ".kept{color:red}"
