"""The rule of identity: which items are the same article.

An article's id is the first 32 hexadecimal digits of a SHA-256 over the first of these
that the item has:

1. its canonical URL, if its link is http or https: http counts as https, the host in lower
   case without user, default port or trailing dot, the path as it stands ("/" if empty),
   the query without tracking parameters (`utm_*`, `fbclid`, `gclid` and their like) and
   with the rest sorted, no fragment;
2. its guid: a link that is not http (`urn:...`), else the feed's own guid or Atom id. A guid
   that is no `urn:` or `tag:` is only unique within its source, so the source's name counts
   too;
3. its content: title, text and the source's name.
"""

import re
from hashlib import sha256
from urllib.parse import quote, urlsplit

_TRACKING = re.compile(
    r"(utm_.*|[fgdt]?clid|gbraid|wbraid|msclkid|yclid|fbclid|gclid|dclid|igshid|mc_[ce]id|_hsenc|_hsmi"
    r"|mkt_tok|ocid|cmpid|smid|ftag|ncid|sr_share|taid|xtor|at_(medium|campaign|custom\d*))",
    re.IGNORECASE,
)
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))
_UNSEEN = re.compile(r"[\x00-\x20\x7f]+")
_TO_ENCODE = re.compile(r"[^\x21-\x7e]")
_SLASHES = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)/+")
_DEFAULT_PORTS = (None, 80, 443)


def clean_link(link: str) -> str:
    """Return the link in printable ASCII: white space and controls dropped, the rest percent-encoded.

    Idempotent. As feedparser does it, surplus slashes after the scheme go too, and `&amp;`
    is taken for what it was meant to be.
    """
    visible = _UNSEEN.sub("", link)
    while "&amp;" in visible:
        visible = visible.replace("&amp;", "&")
    if _TO_ENCODE.search(visible):
        visible = quote(visible.encode("utf-8", "ignore"), safe=_PRINTABLE)
    return _SLASHES.sub(r"\1", visible)


def canonical_url(link: str) -> str | None:
    """Return the canonical form of an http(s) link; None for anything else or a malformed one."""
    try:
        parts = urlsplit(clean_link(link))
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    if ":" in host:
        host = f"[{host}]"
    place = host if port in _DEFAULT_PORTS else f"{host}:{port}"
    query = "&".join(sorted(part for part in parts.query.split("&") if part and not _tracks(part)))
    return f"https://{place}{parts.path or '/'}{'?' if query else ''}{query}"


def _tracks(parameter: str) -> bool:
    return _TRACKING.fullmatch(parameter.partition("=")[0]) is not None


def article_id(*, link: str, guid: str, title: str, text: str, source: str) -> str:
    """Return the id of an item by the rule above."""
    url = canonical_url(link)
    if url is not None:
        return digest("url", url)
    own = clean_link(link) or guid.strip()
    if own.lower().startswith(("urn:", "tag:")):
        return digest("guid", own)
    if own:
        return digest("guid", source, own)
    return digest("content", title, text, source)


def digest(*parts: str) -> str:
    """Return 32 hexadecimal digits of the parts, none of which can run into the next."""
    joined = "\0".join(f"{len(part)}:{part}" for part in parts)
    return sha256(joined.encode("utf-8", "backslashreplace")).hexdigest()[:32]
