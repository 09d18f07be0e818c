"""What a configuration says about a server."""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from deltanas_repo_store.records import Name, Record

Flavour = Literal["vllm", "sglang", "llama.cpp", "plain"]
GrammarForm = Literal["ebnf", "gbnf"]

_GRAMMAR_FORMS: dict[Flavour, GrammarForm] = {
    "vllm": "ebnf",
    "sglang": "ebnf",
    "llama.cpp": "gbnf",
}


_URL = TypeAdapter(HttpUrl)


def _checked_url(url: str) -> str:
    # No message repeats the address: what is wrong with it may be the password in it.
    try:
        parts = _URL.validate_python(url)
    except ValidationError as error:
        raise ValueError(f"no address of a server: {error.errors()[0]['msg']}") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "the address of a server must have no user, password or query: "
            "a key belongs in the environment variable that api_key_env names"
        )
    return str(parts).rstrip("/")


class ServerSpec(Record):
    """A server with OpenAI's chat API, a model on it, and what may be spent. It holds no key."""

    # What is refused here may be a key in the wrong place: an error must not repeat it.
    model_config = ConfigDict(hide_input_in_errors=True)

    base_url: Annotated[str, AfterValidator(_checked_url)]
    """Up to and with the version, such as ``http://localhost:8000/v1``."""
    model: Annotated[str, Field(min_length=1)]
    """The name that the server knows the model by."""
    flavour: Flavour = "plain"
    """Which server it is: each wants grammars, samplers and adapters in a form of its own. A
    ``plain`` one gets nothing that OpenAI's API does not have."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = None
    """Name of the environment variable that holds the key. Keys have small letters, names none."""
    adapter: Name | None = None
    """A LoRA adapter on the server; for llama.cpp the name of its file, without the ending."""
    context: Annotated[int, Field(ge=1)] | None = None
    """Tokens that prompt and answer may have together, where it is known."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
    """How long one answer may take."""
    max_retries: Annotated[int, Field(ge=0)] = 5
    """How often a request is sent again that failed for a passing reason."""
    price_per_million_input: Annotated[float, Field(ge=0)] = 0.0
    """US dollars for a million tokens of prompts."""
    price_per_million_output: Annotated[float, Field(ge=0)] = 0.0
    """US dollars for a million tokens of answers."""
    max_usd: Annotated[float, Field(gt=0)] | None = None
    """No request is sent that could bring the cost above it."""
    max_tokens_total: Annotated[int, Field(ge=1)] | None = None
    """No request is sent that could bring the tokens, in and out, above it."""

    @property
    def grammar_form(self) -> GrammarForm | None:
        """The notation that the server reads grammars in; None where it takes none."""
        return _GRAMMAR_FORMS.get(self.flavour)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.flavour == "plain" and self.adapter is not None:
            raise ValueError(
                "a plain server has no adapters; name the flavour, "
                "or give the adapter's name as the model"
            )
        if self.max_usd is not None and not (
            self.price_per_million_input and self.price_per_million_output
        ):
            raise ValueError("max_usd limits nothing without both prices per million tokens")
        return self
