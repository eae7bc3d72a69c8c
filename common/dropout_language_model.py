"""What recurrent language models with dropout share."""

from typing import Any

from common.computed import computed
from common.language_model import LanguageModel


class DropoutLanguageModel(LanguageModel):
    """A LanguageModel some of whose layers do in training what they do not in evaluation, such as dropout."""

    @computed
    def training_mode_layers(self) -> list[Any]:
        """All layers with a `train_flg`, the dropouts inside the recurrent layers too."""
        inside = [getattr(layer, f"{what}_dropout", None) for layer in self.layers for what in ("state", "weight")]
        return [part for part in [*self.layers, *inside] if hasattr(part, "train_flg")]

    def predict(self, xs: Any, train_flg: bool = False) -> Any:
        """The scores (N, T, V), before the softmax; with `train_flg`, those of the model with dropout."""
        for layer in self.training_mode_layers:
            layer.train_flg = train_flg
        return super().predict(xs)

    def forward(self, xs: Any, ts: Any, train_flg: bool = True) -> Any:
        """The mean loss of the words ts (N, T) that follow xs (N, T): with dropout, as in training, or without it."""
        return self.loss_layer.forward(self.predict(xs, train_flg), ts)
