"""Kinds of values that the access settings have: names, addresses, certificates, terms."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING

from stacks.environment.problems import SettingProblem, raise_problems
from stacks.environment.values import unique

if TYPE_CHECKING:
    from stacks.environment.access import ApiKey

# Of the 4 KB that a function's environment variables may take together; styles take up to 3 KB.
TERMS_BYTES = 768
TERM_CHARACTERS = 100
_LOGIN_URL = re.compile(r"(https://[^\s/#?]+|http://localhost(:\d{1,5})?)(/[^\s#]*)?")
# Amazon Cognito refuses these words in a domain prefix.
RESERVED_WORDS = ("amazon", "aws", "cognito")


def valid_endpoint_ids(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Returns `ids` if each stands once."""
    if problems := [*unique(ids)]:
        raise_problems("vpc_endpoint_ids", problems)
    return ids


def valid_keys(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
    """Returns `keys` if each has a name of its own."""
    problems = [
        SettingProblem(
            location=(index, "name"),
            text=f"{key.name!r} stands twice",
            received=key.name,
            allowed="a name that no other key has",
            remedy="rename one of the two",
        )
        for index, key in enumerate(keys)
        if key.name in [other.name for other in keys[:index]]
    ]
    if problems:
        raise_problems("keys", problems)
    return keys


def valid_login_urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    """Returns `urls` if Amazon Cognito takes them: absolute, without a fragment, HTTPS except for localhost."""
    problems = [*unique(urls)]
    problems += [
        SettingProblem(
            location=(index,),
            text=f"{url!r} is not an address that people can be sent back to",
            received=url,
            allowed="https://host/path, or http://localhost:port/path, without #",
            remedy='write for example "https://images.example.com/callback"',
        )
        for index, url in enumerate(urls)
        if not _LOGIN_URL.fullmatch(url)
    ]
    if problems:
        raise_problems("urls", problems)
    return urls


def valid_domain_prefix(prefix: str) -> str:
    """Returns `prefix` if it has none of the words that Amazon Cognito keeps to itself."""
    for word in RESERVED_WORDS:
        if word in prefix:
            problem = SettingProblem(
                location=(),
                text=f"{prefix!r} holds {word!r}",
                received=prefix,
                allowed=f"a prefix without {', '.join(RESERVED_WORDS)}",
                remedy="choose another prefix",
            )
            raise problem.as_error()
    return prefix


def valid_terms(terms: tuple[str, ...]) -> tuple[str, ...]:
    """Returns `terms` if each is a word or phrase, once, and all fit into the function's environment variables."""
    problems = []
    seen: dict[str, str] = {}
    for index, term in enumerate(terms):
        folded = " ".join(unicodedata.normalize("NFKC", term).casefold().split())
        if not folded or not any(character.isalnum() for character in folded) or len(term) > TERM_CHARACTERS:
            text, remedy = f"{term[:TERM_CHARACTERS]!r} is no word or phrase", "write a word, or remove the entry"
        elif folded in seen:
            text, remedy = f"{term!r} is the same as {seen[folded]!r}", "remove one of the two: case does not count"
        else:
            seen[folded] = term
            continue
        allowed = f"a text of 1 to {TERM_CHARACTERS} characters with a letter or digit, each once"
        problems.append(SettingProblem(location=(index,), text=text, received=term, allowed=allowed, remedy=remedy))
    size = len(json.dumps(terms, ensure_ascii=False, separators=(",", ":")).encode())
    if size > TERMS_BYTES:
        problems.append(
            SettingProblem(
                location=(),
                text=f"the terms take {size} bytes as JSON",
                allowed=f"{TERMS_BYTES} bytes, as Lambda limits what a function's environment variables take",
                remedy="remove terms; a content filter of the model's own knows more than a list of words",
            )
        )
    if problems:
        raise_problems("refused_terms", problems)
    return terms
