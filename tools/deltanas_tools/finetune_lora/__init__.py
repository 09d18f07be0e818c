"""finetune_lora: train an adapter of the proposer's language model on what has an effect.

`training.train` does it; `corpus` has what it is trained on. Importing this loads no torch.
"""
