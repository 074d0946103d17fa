"""What the model reads of an article. Training and serving make it here, alike."""

import re

_LINK = re.compile(r"https?://\S+")


def article_text(title: str, text: str) -> str:
    """Return the title, followed by ". " and the text where there is one.

    Nothing is cleaned, cut or lower-cased here: that is the tokenizer's business.
    """
    if not text:
        return title
    return f"{title}. {text}" if title else text


def without_links(text: str) -> str:
    """Return the text with each link as the one word "http".

    An address says little and costs much: a third of the tokens of a tweet.
    """
    return _LINK.sub("http", text)
