"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv:2106.09685) on the encoder, through peft."""

from peft import LoraConfig, LoraModel
from torch import nn

from assay.corpus.errors import AssayError
from assay.models.network import Network
from assay.recipes.recipe import Lora


def add_adapters(network: Network, lora: Lora) -> None:
    """Freeze the encoder and put adapters on its linear layers; heads and pooler stay trainable as a whole.

    Raises:
        AssayError: `model.lora.targets` names a layer that the encoder does not have.
    """
    encoder = network.encoder
    linear = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    targets = [name for name in linear if not _in_pooler(name) and _wanted(name, lora.targets)]
    for target in lora.targets or ():
        if not any(_wanted(name, [target]) for name in linear):
            known = sorted({name.rpartition(".")[2] for name in linear})
            raise AssayError(f"model.lora.targets names {target!r}; the encoder's linear layers are {', '.join(known)}")
    config = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets)
    network.replace_encoder(LoraModel(encoder, config, "default"))
    for name, parameter in network.encoder.named_parameters():
        if _in_pooler(name):
            parameter.requires_grad = True


def merge_adapters(network: Network) -> None:
    """Add the adapters' product to the weights they belong to; a network without adapters is left as it is."""
    merge = getattr(network.encoder, "merge_and_unload", None)
    if merge is not None:
        network.replace_encoder(merge())


def _in_pooler(name: str) -> bool:
    return "pooler" in name.split(".")


def _wanted(name: str, targets: list[str] | None) -> bool:
    return targets is None or any(name == target or name.endswith(f".{target}") for target in targets)
