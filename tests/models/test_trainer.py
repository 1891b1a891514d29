from pathlib import Path

from torch import nn
from transformers import Trainer

from assay.models.trainer import trainer_arguments
from assay.recipes.recipe import Training

TRAINING = Training(epochs=1, batch_size=8)


def test_trainer_arguments_use_one_device_for_any_number_of_gpus(tmp_path: Path) -> None:
    # given arguments that see four GPUs
    arguments = trainer_arguments(tmp_path, TRAINING)
    assert arguments.n_gpu == 0
    arguments._n_gpu = 4
    # then the Trainer wraps nothing in DataParallel and multiplies no batch
    assert arguments.n_gpu == 1
    assert arguments.train_batch_size == TRAINING.batch_size
    network = nn.Linear(2, 2)
    assert Trainer(network, arguments, eval_dataset=[network])._wrap_model(network) is network
