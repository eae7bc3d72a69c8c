"""The options that several scripts of this chapter share, with their help; each script has defaults of its own."""

from typing import Annotated

MaxEpoch = Annotated[int, "Passes over the training text, those before --resume included."]
TimeSize = Annotated[int, "Steps of truncated backpropagation through time."]
RandomBlocks = Annotated[bool, "Draw the length of each block, time_size in the mean or half of it."]
LearningRate = Annotated[float, "Learning rate."]
WeightDecay = Annotated[float, "Of all weights, in each step, times the learning rate."]
MaxGrad = Annotated[float, "The largest norm of the gradients."]
TrainSize = Annotated[int | None, "Use only so many words of the training text."]
