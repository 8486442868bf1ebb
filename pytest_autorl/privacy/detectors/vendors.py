"""How the keys of vendors look, as their documentation and the scanners of code hosts publish it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Vendor(NamedTuple):
    """Keys of one vendor, as its documentation describes them.

    Attributes:
        prefix: What each begins with.
        tail: Character class of the rest.
        least, most: Length of the rest.
    """

    prefix: str
    tail: str
    least: int
    most: int


_AN, _AN_, _HEX, _B64 = "0-9A-Za-z", r"\w\-", "0-9a-f", r"\w+/=\-"


def _vendors() -> Iterator[Vendor]:
    for prefix in ("AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA", "AGPA", "ANPA"):
        yield Vendor(prefix, "A-Z0-9", 16, 17)
    for letter in "pousr":
        yield Vendor(f"gh{letter}_", _AN, 30, 255)
    yield Vendor("github_pat_", r"\w", 50, 255)
    for word in (
        "glpat-",
        "gldt-",
        "glrt-",
        "glcbt-",
        "glptt-",
        "glft-",
        "glsoat-",
        "glagent-",
        "gloas-",
        "glimt-",
    ):
        yield Vendor(word, r"\w\-.", 18, 300)
    for word in (
        "xoxb-",
        "xoxp-",
        "xoxa-",
        "xoxr-",
        "xoxs-",
        "xoxo-",
        "xoxe-",
        "xoxe.xoxb-",
        "xoxe.xoxp-",
        "xapp-",
        "xoxc-",
        "xoxd-",
    ):
        yield Vendor(word, r"\w\-%", 16, 400)
    yield Vendor("hooks.slack.com/services/", r"\w/", 30, 90)
    yield Vendor("hooks.slack.com/workflows/", r"\w/", 30, 120)
    yield Vendor("discord.com/api/webhooks/", r"\w/\-", 60, 120)
    yield Vendor("AIza", _AN_, 33, 37)
    yield Vendor("ya29.", r"\w\-.", 20, 1024)
    yield Vendor("GOCSPX-", _AN_, 20, 40)
    yield Vendor("1//0", _AN_, 30, 160)
    for kind in ("sk", "rk", "pk"):
        for mode in ("live", "test", "prod"):
            yield Vendor(f"{kind}_{mode}_", _AN, 10, 250)
    yield Vendor("whsec_", r"0-9A-Za-z+/=", 20, 80)
    for word in (
        "sk-proj-",
        "sk-svcacct-",
        "sk-admin-",
        "sk-ant-",
        "sk-or-v1-",
        "sk-lf-",
        "pk-lf-",
        "ls__",
        "lsv2_pt_",
        "lsv2_sk_",
    ):
        yield Vendor(word, _AN_, 20, 260)
    yield Vendor("sk-", _AN, 32, 64)
    yield Vendor("hf_", "A-Za-z", 30, 40)
    yield Vendor("api_org_", "A-Za-z", 30, 40)
    for word in (
        "gsk_",
        "r8_",
        "pplx-",
        "xai-",
        "nvapi-",
        "tgp_v1_",
        "fw_",
        "esecret_",
        "jina_",
        "tvly-",
        "r8m_",
    ):
        yield Vendor(word, _AN_, 20, 120)
    yield Vendor("npm_", _AN, 36, 40)
    yield Vendor("pypi-AgE", _AN_, 50, 1000)
    yield Vendor("rubygems_", _HEX, 40, 60)
    yield Vendor("CLOJARS_", _AN, 50, 70)
    yield Vendor("dckr_pat_", _AN_, 20, 50)
    yield Vendor("dckr_oat_", _AN_, 20, 50)
    for word in ("dop_v1_", "doo_v1_", "dor_v1_"):
        yield Vendor(word, _HEX, 50, 70)
    for word in ("shpat_", "shpca_", "shppa_", "shpss_", "shptka_"):
        yield Vendor(word, "0-9A-Fa-f", 32, 40)
    yield Vendor("sq0atp-", _AN_, 20, 30)
    yield Vendor("sq0csp-", _AN_, 40, 50)
    yield Vendor("sq0idp-", _AN_, 20, 30)
    yield Vendor("EAAA", _AN_, 56, 70)
    yield Vendor("EAA", _AN, 80, 400)
    yield Vendor("SG.", r"\w\-.", 60, 70)
    yield Vendor("key-", _HEX, 32, 32)
    yield Vendor("pubkey-", _HEX, 32, 32)
    for word in ("SK", "AC"):
        yield Vendor(word, _HEX, 32, 32)
    yield Vendor("lin_api_", _AN, 36, 44)
    yield Vendor("lin_oauth_", _HEX, 60, 70)
    yield Vendor("secret_", _AN, 43, 43)
    yield Vendor("ntn_", _AN, 40, 60)
    yield Vendor("figd_", _AN_, 36, 60)
    yield Vendor("pat-na1-", r"0-9a-f\-", 36, 36)
    yield Vendor("pat-eu1-", r"0-9a-f\-", 36, 36)
    yield Vendor("ATATT3", r"\w\-=", 100, 250)
    yield Vendor("ATCTT3", r"\w\-=", 100, 250)
    yield Vendor("ATBB", _AN, 28, 40)
    yield Vendor("dapi", _HEX, 32, 34)
    for word in ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."):
        yield Vendor(word, r"\w.", 40, 70)
    yield Vendor("dt0c01.", r"0-9A-Z.", 80, 100)
    yield Vendor("dt0s01.", r"0-9A-Z.", 64, 100)
    yield Vendor("glsa_", r"\w", 40, 44)
    yield Vendor("glc_eyJ", _B64, 30, 400)
    yield Vendor("eyJrIjoi", _B64, 60, 400)
    for word in ("hvs.", "hvb.", "hvr."):
        yield Vendor(word, _AN_, 24, 300)
    for word in ("NRAK-", "NRJS-", "NRII-", "NRAA-", "NRRA-", "NRSP-"):
        yield Vendor(word, r"\w\-", 16, 40)
    yield Vendor("pscale_tkn_", r"\w\-.=", 32, 64)
    yield Vendor("pscale_pw_", r"\w\-.=", 32, 64)
    yield Vendor("pscale_oauth_", r"\w\-.=", 32, 64)
    yield Vendor("PMAK-", r"0-9a-f\-", 50, 64)
    yield Vendor("pnu_", _AN, 36, 36)
    yield Vendor("pul-", _HEX, 40, 40)
    yield Vendor("rdme_", "0-9a-z", 60, 72)
    yield Vendor("sntrys_", r"\w+/=\-", 60, 400)
    yield Vendor("sntryu_", _HEX, 64, 64)
    yield Vendor("xkeysib-", r"0-9a-zA-Z\-", 70, 90)
    yield Vendor("shippo_live_", _HEX, 40, 40)
    yield Vendor("shippo_test_", _HEX, 40, 40)
    yield Vendor("tfp_", r"\w\-.=", 40, 70)
    yield Vendor("CFPAT-", _AN_, 40, 50)
    yield Vendor("EZAK", _AN, 54, 54)
    yield Vendor("EZTK", _AN, 54, 54)
    for word in ("FLWSECK_TEST-", "FLWSECK-", "FLWPUBK_TEST-"):
        yield Vendor(word, r"\w\-", 12, 50)
    yield Vendor("fio-u-", r"\w\-=", 60, 70)
    yield Vendor("ico-", _AN, 32, 32)
    yield Vendor("AGE-SECRET-KEY-1", "0-9A-Z", 58, 58)
    yield Vendor("aio_", _AN, 28, 28)
    yield Vendor("duffel_test_", _AN_, 40, 50)
    yield Vendor("duffel_live_", _AN_, 40, 50)
    for word in ("fo1_", "fm1r_", "fm2_", "fm1a_"):
        yield Vendor(word, r"\w+/=\-", 40, 700)
    yield Vendor("LTAI", _AN, 17, 24)
    yield Vendor("AKID", _AN_, 32, 36)
    for word in ("AQVN", "t1."):
        yield Vendor(word, r"\w\-.=", 35, 220)
    yield Vendor("y0_", _AN_, 39, 60)
    yield Vendor("sgp_", r"\w", 40, 64)
    yield Vendor("sbp_", _HEX, 40, 40)
    yield Vendor("sb_secret_", r"\w\-", 20, 60)
    yield Vendor("ops_eyJ", _B64, 100, 1500)
    yield Vendor("A3-", r"A-Z0-9\-", 32, 36)
    yield Vendor("patU", r"\w.", 70, 90)
    yield Vendor("HRKU-", r"\w\-", 36, 70)
    yield Vendor("CCIPAT_", r"\w", 40, 80)
    yield Vendor("bkua_", _HEX, 40, 40)
    yield Vendor("sl.", _AN_, 120, 160)
    yield Vendor("sl.u.", _AN_, 120, 1400)
    yield Vendor("phc_", _AN, 40, 48)
    yield Vendor("phx_", _AN, 40, 48)
    yield Vendor("re_", r"\w", 30, 40)
    yield Vendor("vercel_blob_rw_", r"\w", 30, 70)
    yield Vendor("nfp_", _AN, 36, 44)
    yield Vendor("tskey-", r"\w\-", 20, 70)
    yield Vendor("sdk-", r"0-9a-f\-", 36, 36)
    yield Vendor("api-", r"0-9a-f\-", 36, 36)
    yield Vendor("mob-", r"0-9a-f\-", 36, 36)
    yield Vendor("snyk_uat.", r"\w\-.", 30, 400)
    yield Vendor("LT_", _AN, 40, 60)
    yield Vendor("squ_", _HEX, 40, 40)
    yield Vendor("sqp_", _HEX, 40, 40)
    yield Vendor("sqa_", _HEX, 40, 40)
    yield Vendor("cmVmdGtu", _AN, 56, 60)
    yield Vendor("AKCp", _AN, 60, 75)
    yield Vendor("sourcegraph_", r"\w", 40, 64)
    yield Vendor("PRIVATE-", _HEX, 32, 40)
    yield Vendor("whop_", _AN_, 30, 60)
    yield Vendor("gpat_", _AN, 30, 60)


VENDORS: tuple[Vendor, ...] = tuple(_vendors())
