"""What a request that changes something must bring: the token, JSON, and a body of bounded size.

A browser cannot be made to bring it: no other site knows the token, and a page may send neither
its header nor this content type elsewhere without being asked first, which nobody here answers.
"""

import asyncio
import hmac
from typing import TypeVar

import msgspec
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_BODY = 32_768
WITHIN_S = 10.0

T = TypeVar("T")


def admit(request: Request, token: SecretStr | None) -> None:
    """Let a request pass that bears the token; raises HTTPException 401, or 403 where none is set."""
    if token is None:
        raise HTTPException(403, "nothing can be changed here: set web.token, and send it as a bearer token")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    wanted = token.get_secret_value().encode()
    same = hmac.compare_digest(given.strip().encode("latin-1"), wanted)  # as ASGI decoded it
    if scheme.lower() != "bearer" or not same:
        how = {"www-authenticate": "Bearer"}
        raise HTTPException(401, "a bearer token is needed, that of web.token", how)


async def body(request: Request, content_type: str) -> bytes:
    """Read a body of this type; raises HTTPException 408, 413 or 415, before it has read more."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != content_type:
        raise HTTPException(415, f"the body must be {content_type}")
    found = bytearray()
    try:
        async with asyncio.timeout(WITHIN_S):
            async for part in request.stream():
                found += part
                if len(found) > MAX_BODY:
                    raise HTTPException(413, f"the body is longer than {MAX_BODY} bytes")
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {WITHIN_S:g} s") from None
    return bytes(found)


async def message(request: Request, kind: type[T]) -> T:
    """Read a JSON body as a struct; raises HTTPException 400 with what is wrong and where."""
    given = await body(request, "application/json")
    try:
        return msgspec.json.decode(given, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"the body: {error}") from error
