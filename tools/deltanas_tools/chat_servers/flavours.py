"""What each kind of server calls the things that OpenAI's API has no name for.

Sources: vLLM, "Structured Outputs" and "LoRA Adapters" (its servers before 0.12 knew another field
for grammars, and ignore this one without a word); SGLang, "Structured Outputs" and "LoRA Serving";
llama.cpp, tools/server/README.md.
"""

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.chat_servers.spec import ServerSpec
from deltanas_tools.language_models.records import Sampling


def model_name(spec: ServerSpec) -> str:
    """Return what is sent as the model: where the server can tell, the adapter is in it."""
    if spec.adapter is not None and spec.flavour == "vllm":
        return spec.adapter
    if spec.adapter is not None and spec.flavour == "sglang":
        return f"{spec.model}:{spec.adapter}"
    return spec.model


def sampling_fields(spec: ServerSpec, sampling: Sampling) -> dict[str, object]:
    """Return how tokens are drawn, beside temperature and top-p.

    Servers take what we leave out from the model's files (vLLM, SGLang) or from defaults of their
    own (llama.cpp: min-p 0.05, temperature last), so that the same settings would be others.
    """
    if spec.flavour == "plain":
        return {}
    top_k = sampling.top_k or -1  # their word for all
    if spec.flavour == "llama.cpp":
        return {
            "top_k": top_k,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "samplers": ["temperature", "top_k", "top_p"],
        }
    return {"top_k": top_k, "min_p": 0.0, "repetition_penalty": 1.0}


def grammar_fields(spec: ServerSpec, grammar: str | None) -> dict[str, object]:
    """Return what binds the answer to a grammar, which is in the server's notation.

    Raises:
        ConfigError: the server takes none.
    """
    if grammar is None:
        return {}
    match spec.flavour:
        case "vllm":
            return {"structured_outputs": {"grammar": grammar}}
        case "sglang":
            return {"ebnf": grammar}
        case "llama.cpp":
            return {"grammar": grammar}
        case "plain":
            raise ConfigError(
                f"no grammar can be sent to {spec.base_url}: its flavour is plain; "
                "name the flavour of the server, or ask for an answer without a grammar"
            )
