"""What the model reads of an article. Training and serving join title and text here, alike."""


def article_text(title: str, text: str) -> str:
    """Return the title, followed by ". " and the text where there is one.

    Nothing is cleaned, cut or lower-cased here: that is the tokenizer's business.
    """
    if not text:
        return title
    return f"{title}. {text}" if title else text
