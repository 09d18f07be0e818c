"""Why a network cannot be taken, in words."""

from pydantic import TypeAdapter, ValidationError

from deltanas_repo_store.records import Name

_NAME = TypeAdapter[str](Name)


def name_problem(name: str) -> str:
    """Return why ``name`` cannot name a baseline; empty where it can."""
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return (
            "the name is not 1 to 64 letters, digits, and single '.', '_' or '-' between them, "
            "or it ends in '.lock'"
        )
    return ""


def first_problem(error: ValidationError) -> str:
    """Return the first thing that pydantic found wrong, on one line."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"[:500] if where else first["msg"][:500]
