# Over 300 lines because it is one list: an annotation for each option of the commands, with its help.
"""Define the options and arguments of the subcommands with their help, which `--help` prints and docs/cli.md lists.

The names of activations, losses and so on are listed as text, so that --help does not load them; a test compares them
with the registries.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

_table = partial(Option, rich_help_panel="The data")
_network = partial(Option, rich_help_panel="The network")
_training = partial(Option, rich_help_panel="Training")
_run = partial(Option, rich_help_panel="The run")

# --- what several commands take

_DATA = (
    "mnist (comes with the package), a folder of IDX files, an .npz with X and y, and X_test, y_test, X_val, y_val "
    "where there are such, or a table (.csv, .csv.gz, .parquet, .arrow, .xlsx)"
)
Data = Annotated[str, Argument(metavar="DATA", help=f"{_DATA}.")]
ModelFile = Annotated[str, Argument(metavar="MODEL", help="A model file, or the folder of a run.")]
OptionalModelFile = Annotated[
    str | None, Argument(metavar="MODEL", help="A model file, or the folder of a run.")
]
_ENGINE = "auto, or the name of an engine that `chainrule info` lists."
Engine = Annotated[str, Option(help=_ENGINE)]
AsJson = Annotated[bool, Option("--json", help="Print the result as JSON, and nothing else.")]
Debug = Annotated[bool, Option("--debug", help="Show the traceback of an error.")]

# --- train

TrainData = Annotated[
    list[str],
    Argument(
        metavar="DATA",
        help=f"{_DATA} with --target-column; several Parquet or Arrow files, or a folder of such, larger than memory; "
        "with --resume, the folder of a run.",
    ),
]
TargetColumn = Annotated[str | None, _table(help="Of a table, the column to predict.")]
ExcludeColumns = Annotated[str | None, _table(help="Of a table, the columns to leave out, as id,name.")]
Augment = Annotated[
    bool,
    _table(
        "--augment",
        help="Of images, turn, scale, shear, shift and bend each anew in each epoch.",
    ),
]
Hidden = Annotated[
    str | None,
    _network(
        help="Widths of the hidden layers, as 256,128; none for a linear model.",
        show_default="256 for images, 64,64 for arrays, 128,128 for tables",
    ),
]
Activation = Annotated[
    str,
    _network(
        help="After each hidden layer: identity, relu, leaky_relu, prelu, elu, selu, gelu, gelu_tanh, silu, mish, "
        "softplus, sigmoid, tanh, softmax."
    ),
]
BatchNorm = Annotated[
    bool,
    _network("--batch-norm", help="Batch normalization between a hidden layer's weights and its activation."),
]
Dropout = Annotated[
    float | None,
    _network(help="Probability of dropping a hidden neuron.", show_default="0.1 for tables, else 0"),
]
InputDropout = Annotated[float, _network(help="Probability of dropping an input.")]
Residual = Annotated[
    bool,
    _network(
        "--residual",
        help="From the second hidden layer on, what comes in is added before the activation (a residual block).",
    ),
]
Loss = Annotated[
    str | None,
    _network(
        help="mean_squared_error, huber, mean_absolute_error, quantile, poisson, sigmoid_cross_entropy, "
        "softmax_cross_entropy, binary_cross_entropy, categorical_cross_entropy.",
        show_default="by y: a cross entropy for labels and rows of 0 and 1, else the squared error",
    ),
]
LabelSmoothing = Annotated[float, _network(help="Share of each label that is spread over all classes.")]
L2 = Annotated[float, _network(help="Penalty l2/2 * ||W||^2 on the weights.")]
L1 = Annotated[float, _network(help="Penalty l1 * |W| on the weights.")]
MaxNorm = Annotated[float | None, _network(help="Bound on the norm of each neuron's incoming weights.")]
Dtype = Annotated[str, _network(help="float32 or float64, of all arithmetic.")]

TrainMethod = Annotated[
    str,
    _training(
        "--method",
        help="Where the gradient comes from, or what is done without one: backpropagation, central_differences, "
        "forward_differences, forward_gradient, spsa, openai_es, cma_es, random_search, feedback_alignment, "
        "random_features, none.",
    ),
]
Optimizer = Annotated[
    str,
    _training(help="gradient_descent, sgd, rmsprop, adagrad, adam, amsgrad, adamw, nadam, lbfgs."),
]
LearningRate = Annotated[
    float | None,
    _training(
        "--lr",
        help="Learning rate, which the schedule multiplies.",
        show_default="for adam, amsgrad, adamw and nadam with --schedule one_cycle 0.005 for images (0.008 with "
        "--target and no --epochs) and tables, 0.002 for arrays; else the optimizer's own",
    ),
]
Schedule = Annotated[
    str | None,
    _training(
        help="constant, step_decay, exponential, cosine, one_cycle, cos_log, flat_cosine, inverse_scaling, "
        "reduce_on_plateau.",
        show_default="one_cycle",
    ),
]
Epochs = Annotated[
    int | None,
    _training(
        help="Walks over the training samples, those of a run that is resumed included: a larger number trains it "
        "longer.",
        show_default="4 for images (3 with --target), 40 for arrays, 60 for tables",
    ),
]
BatchSize = Annotated[
    int | None,
    _training(
        help="Samples a step.",
        show_default="128 for images, 32 for arrays, 32 to 256 for tables, by their rows",
    ),
]
Momentum = Annotated[float | None, _training(help="Of sgd and rmsprop.")]
Nesterov = Annotated[bool, _training("--nesterov", help="Nesterov's momentum, of sgd.")]
WeightDecay = Annotated[float | None, _training(help="Of adamw.")]
ClipNorm = Annotated[float | None, _training(help="Bound on the norm of the gradient.")]
Precision = Annotated[
    str | None,
    _training(
        help="bf16 to round what goes into a product to bfloat16, with float32 sums and weights: faster where the "
        "processor multiplies it.",
        show_default="the dtype's own",
    ),
]
Seed = Annotated[
    int, _training(help="Of the initial weights, the shuffles, the dropout masks and what is held out.")
]
ValidationFraction = Annotated[
    float | None,
    _training(
        help="Share of the training samples to hold out and validate on. Without it, and without a validation part "
        "in the data, the epochs are validated on the test set, which is for watching only; an .npz that has "
        "neither is divided 80 to 20. Of a table a fifth is for testing, and of the rest 0.2 are held out."
    ),
]
Patience = Annotated[
    int | None,
    _training(
        help="Stop when the validation loss has not fallen for so many epochs, and keep the best epoch's weights. "
        "Needs samples that are held out.",
        show_default="12 for tables, else none",
    ),
]
Target = Annotated[
    float | None,
    _training(
        help="Stop as soon as the accuracy that is watched after each epoch (of the validation samples, else of "
        "the test set) reaches this, as 0.98; exit code 1 if it never does."
    ),
]
TrainPositive = Annotated[
    str | None,
    _training(
        "--positive",
        help="Of two classes, the one that precision, recall, F1, AUC and average precision are of.",
        show_default="the one that sorts last",
    ),
]
TrainEngine = Annotated[str, _training("--engine", help=_ENGINE)]
_DEVICE = "What the xla engine trains on: cpu, gpu or cuda:0; `chainrule info` lists what there is."
TrainDevice = Annotated[str | None, _training("--device", help=_DEVICE)]

Shards = Annotated[
    int | None,
    _training(
        "--shards",
        help="Parts of each batch, a power of two, that the processes of a run share; its result depends on them.",
        show_default="8 for several processes, else none",
    ),
]

Reduce = Annotated[
    str,
    _training(
        "--reduce",
        help="How processes sum: tree has the same bits for any number of them, psum sends less between many.",
    ),
]

Out = Annotated[Path | None, _run(help="Folder of the run.", show_default="runs/DATA-DATE-TIME")]
Overwrite = Annotated[bool, _run("--overwrite", help="Replace the run that --out contains.")]
Resume = Annotated[
    bool,
    _run(
        "--resume",
        help="Go on from the last checkpoint of the run in DATA, or in --out (and start it if it never began), and "
        "end with the same bits as if it had never stopped; with a larger --epochs, train a run that is done longer.",
    ),
]
CheckpointSteps = Annotated[
    int | None, _run(help="Write a checkpoint each so many steps, beside the end of each epoch.")
]
Report = Annotated[
    bool,
    _run(
        "--report",
        help="Write report.html: learning curves, confusion matrix, worst mistakes; it works offline.",
    ),
]
RunAsJson = Annotated[bool, _run("--json", help="Print the result as JSON, and nothing else.")]
Verbose = Annotated[bool, _run("--verbose", "-v", help="Print the network's layers and costs too.")]
Quiet = Annotated[bool, _run("--quiet", "-q", help="Print the result only.")]
RunDebug = Annotated[bool, _run("--debug", help="Show the traceback of an error.")]

# --- evaluate and predict

Part = Annotated[
    str | None,
    Option(
        help="train, validation, test, or all of X and y.",
        show_default="test where the data have one, else what the run held out of them, else all",
    ),
]
Positive = Annotated[
    str | None,
    Option(
        help="Of two classes, the one that precision, recall, F1, AUC and average precision are of.",
        show_default="the one that sorts last",
    ),
]
Inputs = Annotated[
    list[str],
    Argument(
        metavar="INPUT...",
        help="PNG or JPEG pictures of a digit, made into what MNIST would have made of them; .npy arrays "
        "(samples, features); .npz archives with X; of a model of a table, tables (.csv, .csv.gz, .parquet, .arrow, "
        ".xlsx) with its columns.",
    ),
]
Predictions = Annotated[Path | None, Option("--out", help="Write all predictions to this .npy or .csv.")]

# --- lab

Experiment = Annotated[
    str | None,
    Argument(
        metavar="NAME",
        help="vanishing, without-backprop, universality, optimizers, regularization, features; none lists them.",
        show_default=False,
    ),
]
LabSeed = Annotated[int, Option("--seed", help="The first seed; repeat r uses seed + r.")]
Repeats = Annotated[
    int | None, Option(help="Seeds to run it with.", show_default="the experiment's own, 3 to 5")
]
Budget = Annotated[
    float,
    Option(
        help="Share of the default work: 0.1 is a quick look in about a fifth of the time, 2 looks twice as hard."
    ),
]
LabFolder = Annotated[
    Path, Option("--out", help="Folder for NAME.html, a page that works offline, and NAME.json.")
]

# --- bench

BenchThreads = Annotated[
    int | None, Option("--threads", help="Threads of each library.", show_default="all that may be used")
]
BenchSeconds = Annotated[
    float, Option("--seconds", help="Of all of it; what there is no time for is left out, and said to be.")
]

# --- explain

ExplainedInput = Annotated[
    str,
    Argument(
        metavar="INPUT",
        help="A PNG or JPEG picture of a digit; an .npy array; an .npz with X (and y); a table of numbers with their "
        "names (and a column y); of a model of a table, such a table; or mnist, its test images.",
    ),
]
Row = Annotated[
    int | None, Option("--row", help="Which sample of INPUT, from 0.", show_default="the only one")
]
Truth = Annotated[
    str | None,
    Option(
        "--true",
        help="What the answer should be: a label, labels with commas, or numbers with commas.",
        show_default="y of INPUT, else the answer itself",
    ),
]
AttributionMethod = Annotated[
    str,
    Option(
        "--method",
        help="saliency, input_x_gradient, integrated_gradients, epsilon_lrp, deep_lift, occlusion.",
    ),
]
StepRate = Annotated[float, Option("--lr", help="Learning rate of the step in the last chapter.")]
StoryPage = Annotated[
    Path | None, Option("--out", help="Write the story to this .html too, a page that works offline.")
]
