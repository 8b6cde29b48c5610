"""The model server's own copy of the request's bounds and of the styles."""

from tools.inference_contract import FILE, text


def test_the_model_server_has_the_bounds_and_styles_of_the_api() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "renew it: python -m tools.inference_contract"
