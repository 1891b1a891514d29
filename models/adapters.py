"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv:2106.09685) on the encoder, implemented by peft."""

from peft import LoraConfig, LoraModel
from torch import nn

from assay.corpus.errors import AssayError
from assay.models.network import Network
from assay.recipes.recipe import Lora


def add_adapters(network: Network, lora: Lora) -> None:
    """Freeze the encoder and add adapters to its linear layers; heads and pooler stay fully trainable.

    Raises:
        AssayError: `model.lora.targets` names a layer that the encoder does not have.
    """
    encoder = network.encoder
    linear_layers = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    targets = [name for name in linear_layers if not _in_pooler(name) and _is_targeted(name, lora.targets)]
    for target in lora.targets or ():
        if not any(_is_targeted(name, [target]) for name in linear_layers):
            known = sorted({name.rpartition(".")[2] for name in linear_layers})
            raise AssayError(f"model.lora.targets names {target!r}; the encoder's linear layers are {', '.join(known)}")
    config = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets)
    network.replace_encoder(LoraModel(encoder, config, "default"))
    for name, parameter in network.encoder.named_parameters():
        if _in_pooler(name):
            parameter.requires_grad = True


def merge_adapters(network: Network) -> None:
    """Merge the adapters into the weights; a network without adapters is left unchanged."""
    merge = getattr(network.encoder, "merge_and_unload", None)
    if merge is not None:
        network.replace_encoder(merge())


def _in_pooler(name: str) -> bool:
    return "pooler" in name.split(".")


def _is_targeted(name: str, targets: list[str] | None) -> bool:
    return targets is None or any(name == target or name.endswith(f".{target}") for target in targets)
