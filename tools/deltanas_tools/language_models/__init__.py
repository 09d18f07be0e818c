"""language_models: causal language models in this process, and the values that all speak in.

`loading.load_language_model` is the way in, `packaged.fetch_packaged` gets the model that comes in
a package. Importing this package loads neither torch nor transformers.
"""

from deltanas_tools.language_models.model import LanguageModel
from deltanas_tools.language_models.records import Generation, Message, ModelSpec, Sampling

__all__ = ["Generation", "LanguageModel", "Message", "ModelSpec", "Sampling"]
