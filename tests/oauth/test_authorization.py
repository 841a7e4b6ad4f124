"""Where the browser is sent to: URL, state and proof."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from apiconnector.exceptions import ConfigurationError
from apiconnector.oauth import Proof, authorization_url, new_proof, new_state

OURS = (
    "response_type=code&client_id=id&redirect_uri=https%3A%2F%2Fsite.example%2Foauth%2Fcallback&scope=a%20b&state=xyz"
)


def build(endpoint: str, *, client_id: str = "id", scope: str = "a b", proof: Proof | None = None) -> str:
    return authorization_url(
        endpoint,
        client_id=client_id,
        redirect_uri="https://site.example/oauth/callback",
        scope=scope,
        state="xyz",
        proof=proof,
    )


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        pytest.param("https://p.example/auth", f"https://p.example/auth?{OURS}", id="no query"),
        pytest.param("https://p.example/auth?", f"https://p.example/auth?{OURS}", id="empty query"),
        pytest.param("https://p.example", f"https://p.example?{OURS}", id="no path"),
        pytest.param("https://p.example/?oauth=authorize", f"https://p.example/?oauth=authorize&{OURS}", id="query"),
        pytest.param("https://p.example/a?x=&y", f"https://p.example/a?x=&y&{OURS}", id="blank values"),
        pytest.param("https://p.example/a?x=1&x=2", f"https://p.example/a?x=1&x=2&{OURS}", id="repeated names"),
        pytest.param("https://p.example/a?x=1&", f"https://p.example/a?x=1&{OURS}", id="ends in an ampersand"),
        pytest.param(
            "https://p.example/a?x=%7e+%2F&&y=;", f"https://p.example/a?x=%7e+%2F&&y=;&{OURS}", id="odd bytes"
        ),
        pytest.param("HTTPS://P.example/A?x=ü", f"HTTPS://P.example/A?x=ü&{OURS}", id="case and non-ASCII"),
        pytest.param("https://p.example/a#top", f"https://p.example/a?{OURS}", id="fragment"),
        pytest.param("https://p.example/a?x=1#top?y=2", f"https://p.example/a?x=1&{OURS}", id="query and fragment"),
        pytest.param("https://p.example/a?state=old&x=1&state=2", f"https://p.example/a?x=1&{OURS}", id="ours win"),
        pytest.param("https://p.example/a?client%5Fid=old", f"https://p.example/a?{OURS}", id="ours win when encoded"),
        pytest.param("https://p.example/a?scope", f"https://p.example/a?{OURS}", id="ours win over a bare name"),
        pytest.param(
            "https://p.example/a?State=x", f"https://p.example/a?State=x&{OURS}", id="another case is another name"
        ),
        pytest.param(
            "https://p.example/a?code_challenge=x",
            f"https://p.example/a?code_challenge=x&{OURS}",
            id="not sent, not replaced",
        ),
    ],
)
def test_the_query_of_the_endpoint_is_kept(endpoint: str, expected: str) -> None:
    assert build(endpoint) == expected


def test_empty_parameters_are_not_sent() -> None:
    assert "scope" not in build("https://p.example/a", scope="")
    assert build("https://p.example/a?scope=theirs", scope="").startswith("https://p.example/a?scope=theirs&")


@pytest.mark.parametrize("scope", ["a b", "a,b", "*", "https://p.example/scope a+b", "ä&b=c#d%20"])
def test_values_arrive_as_they_are(scope: str) -> None:
    url = build("https://p.example/a", scope=scope, client_id="a b+c")
    assert dict(parse_qsl(urlsplit(url).query))["scope"] == scope
    assert dict(parse_qsl(urlsplit(url).query))["client_id"] == "a b+c"
    assert "+" not in url
    assert url.isascii()


@pytest.mark.parametrize("method", ["S256", "plain"])
def test_a_challenge_never_goes_without_its_method(method: str) -> None:
    proof = new_proof(method)
    assert proof is not None
    sent = dict(parse_qsl(urlsplit(build("https://p.example/a?code_challenge_method=none", proof=proof)).query))
    assert (sent["code_challenge"], sent["code_challenge_method"]) == (proof.challenge, method)
    assert ("verifier" in build("https://p.example/a", proof=proof)) is False


def test_states_are_40_letters_and_digits_and_never_the_same() -> None:
    states = {new_state() for _ in range(100)}
    assert len(states) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9]{40}", state) for state in states)


def test_an_s256_challenge_is_the_hash_of_the_verifier() -> None:
    proof = new_proof("S256")
    assert proof is not None
    assert re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", proof.verifier)
    hashed = base64.urlsafe_b64encode(hashlib.sha256(proof.verifier.encode()).digest()).decode()
    assert proof.challenge == hashed.rstrip("=")
    assert proof.method == "S256"
    assert new_proof("S256") != proof


def test_a_plain_challenge_is_the_verifier() -> None:
    proof = new_proof("plain")
    assert proof is not None
    assert proof.challenge == proof.verifier
    assert re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", proof.verifier)


def test_no_proof_without_a_method_and_no_unknown_method() -> None:
    assert new_proof("") is None
    with pytest.raises(ConfigurationError, match="S256"):
        new_proof("s256")
