"""Show the sums that the models of this chapter learn: shapes, and the first one as ids and as text.

    python -m ch07.show_addition_dataset
"""

from common.experiment import script
from dataset import sequence


@script
def main(seed: int = 1984) -> None:
    (x_train, t_train), (x_test, t_test) = sequence.load_data("addition.txt", seed=seed)
    _, id_to_char = sequence.get_vocab()
    print(x_train.shape, t_train.shape)
    print(x_test.shape, t_test.shape)
    print(x_train[0])
    print(t_train[0])
    print("".join(id_to_char[i] for i in x_train[0]))
    print("".join(id_to_char[i] for i in t_train[0]))


if __name__ == "__main__":
    main.cli()
