"""The command line: ``nogap fit``, ``nogap predict``, ``nogap certify`` and ``nogap demo``."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from nogap import __version__
from nogap.tabular import (
    FOREIGN,
    FitOptions,
    FitResult,
    InputError,
    Quality,
    TabularModel,
    certify_foreign,
    certify_table,
    fit_table,
    read_table,
)
from nogap.tabular.table import check_writable, write_text

BAD_INPUT = 2
INTERRUPTED = 130

# Seconds of training; the demo usually needs fewer.
DEMO_TIME = 30.0
DEMO_DATA = {
    "diabetes": ("progression", "regression: progression of diabetes in 442 patients"),
    "breast-cancer": ("diagnosis", "two classes: 569 breast tumours, benign or malignant"),
    "wine": ("cultivar", "three classes: 178 wines from three cultivars"),
}


class _Parser(argparse.ArgumentParser):
    """Complains in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        sentence = message[:1].lower() + message[1:]
        self.exit(BAD_INPUT, f"{self.prog}: error: {sentence} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="nogap",
        description="Train two-layer ReLU networks to their global optimum, with a certificate of "
        "how far from it they can still be.",
        epilog=textwrap.dedent("""\
            examples:
              nogap demo                                      a real data set, end to end
              nogap fit houses.csv --target price             train, save model.nogap
              nogap predict model.nogap new_houses.csv        predictions as CSV
              nogap certify model.nogap houses.csv --target price

            Exit status: 0 on success, 2 on bad input, 130 when stopped with Ctrl-C."""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nogap {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Parser
    )
    _add_fit(commands)
    _add_predict(commands)
    _add_certify(commands)
    _add_demo(commands)
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str, examples: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text.partition(". ")[0].rstrip("."),
        description=textwrap.fill(text, 90),
        epilog="examples:\n" + textwrap.indent(textwrap.dedent(examples).strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_fit(commands: Any) -> None:
    parser = _command(
        commands,
        "fit",
        _fit,
        "Train a network on a CSV file. The file needs a header line; the separator is a comma "
        "(or a semicolon or tab, where the header has no comma). Columns of numbers are "
        "standardised, other columns become one 0/1 input for each of their values. Missing values "
        "are refused.",
        """
        nogap fit houses.csv --target price
        nogap fit houses.csv --target price --cv --out houses.nogap --report houses.html
        nogap fit titanic.csv --target Survived --drop Name --drop Ticket --max-time 30
        """,
    )
    parser.add_argument("data", metavar="DATA.csv", help="the table to learn from")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    parser.add_argument(
        "--task",
        choices=["auto", "regression", "classification"],
        default="auto",
        help="auto: classification when the target holds text, or at most 10 different whole "
        "numbers, each in two rows or more; otherwise regression",
    )
    parser.add_argument(
        "--drop", action="append", default=[], metavar="COLUMN", help="leave a column out (repeat)"
    )
    alpha = parser.add_mutually_exclusive_group()
    alpha.add_argument(
        "--alpha",
        type=float,
        metavar="A",
        help="weight of the penalty beside the mean loss; larger means a simpler network "
        "(default: 2.5 %% of the alpha at which the network is empty)",
    )
    alpha.add_argument(
        "--cv", action="store_true", help="choose alpha by five-fold cross-validation"
    )
    parser.add_argument("--out", default="model.nogap", metavar="MODEL", help="(model.nogap)")
    parser.add_argument("--report", metavar="HTML", help="write a report with plots; one file")
    parser.add_argument(
        "--test-fraction",
        type=float,
        default=0.2,
        metavar="F",
        help="share of the rows held out to measure the quality; 0 trains on all (0.2)",
    )
    parser.add_argument("--tol", type=float, default=1e-3, help="relative gap to stop at (0.001)")
    parser.add_argument("--max-time", type=float, metavar="SECONDS", help="time limit of training")
    parser.add_argument("--max-neurons", type=int, metavar="N", help="limit on the network's size")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the search (0)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_predict(commands: Any) -> None:
    parser = _command(
        commands,
        "predict",
        _predict,
        "Predict a CSV file with a saved model. Columns are found by name; columns that the model "
        "does not know are ignored. Classes come with their probabilities.",
        """
        nogap predict model.nogap new_houses.csv
        nogap predict model.nogap new_houses.csv --out predictions.csv
        """,
    )
    parser.add_argument("model", metavar="MODEL", help="a model that nogap fit saved")
    parser.add_argument("data", metavar="DATA.csv", help="the rows to predict")
    parser.add_argument("--out", metavar="CSV", help="where to write (default: standard output)")


def _add_certify(commands: Any) -> None:
    parser = _command(
        commands,
        "certify",
        _certify,
        "Say how far a saved network can be from the global optimum on a CSV file. On the file "
        "that it was trained on, the rows that were held out are left out again.",
        """
        nogap certify model.nogap houses.csv --target price
        nogap certify model.nogap houses.csv --target price --alpha 0.01 --max-time 60
        nogap certify net.onnx houses.csv --target price --alpha 0.01
        """,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a model that nogap fit saved; or a Linear-ReLU-Linear network in an ONNX file or a "
        "PyTorch state file (.pt), whose inputs are the other columns as they are",
    )
    parser.add_argument("data", metavar="DATA.csv", help="the rows to certify it on")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column it predicts")
    parser.add_argument(
        "--alpha",
        type=float,
        metavar="A",
        help="another penalty than the model's (needed for other libraries' networks)",
    )
    parser.add_argument("--max-time", type=float, metavar="SECONDS", help="time limit of the proof")


def _add_demo(commands: Any) -> None:
    parser = _command(
        commands,
        "demo",
        _demo,
        "Train on a real data set that scikit-learn ships. Writes the table, the model and the "
        "report into a folder.",
        """
        nogap demo
        nogap demo --data wine --out wine-demo
        """,
    )
    parser.add_argument(
        "--data",
        choices=list(DEMO_DATA),
        default="diabetes",
        help="; ".join(f"{name}: {text}" for name, (_, text) in DEMO_DATA.items()) + " (diabetes)",
    )
    parser.add_argument("--out", default="nogap-demo", metavar="DIR", help="(nogap-demo)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


# -- commands --------------------------------------------------------------------------------


def _fit(arguments: argparse.Namespace) -> int:
    options = FitOptions(
        target=arguments.target,
        task=arguments.task,
        alpha=arguments.alpha,
        cv=arguments.cv,
        drop=tuple(arguments.drop),
        test_fraction=arguments.test_fraction,
        seed=arguments.seed,
        tol=arguments.tol,
        max_time=arguments.max_time,
        max_neurons=arguments.max_neurons,
    )
    return _fit_and_save(
        arguments.data, options, arguments.out, arguments.report, quiet=arguments.quiet
    )


def _fit_and_save(
    data: str, options: FitOptions, out: str, report: str | None, *, quiet: bool
) -> int:
    from nogap.report import require_plots, write_report
    from nogap.report.terminal import SilentProgress, progress

    check_writable(out, inputs=[data])
    if report is not None:
        require_plots()
        check_writable(report, inputs=[data])
        if Path(report).resolve() == Path(out).resolve():
            raise InputError(f"the model and the report cannot both be written to {out}")
    table = read_table(data)
    with SilentProgress() if quiet else progress(sys.stderr) as display:
        result = fit_table(table, options, callbacks=[display], notify=display.note)
    result.model.save(out)
    if report is not None:
        write_report(report, result)
    if not quiet:
        print(_summary(result, out, report))
    if result.solution.status.label == "interrupted":
        _note(f"stopped with Ctrl-C: {out} holds the best network so far, with its certificate")
        return INTERRUPTED
    return 0


def _predict(arguments: argparse.Namespace) -> int:
    if arguments.out is not None:
        check_writable(arguments.out, inputs=[arguments.model, arguments.data])
    model = TabularModel.load(arguments.model)
    text = model.predictions_csv(read_table(arguments.data))
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        write_text(arguments.out, text)
    return 0


def _certify(arguments: argparse.Namespace) -> int:
    if arguments.model.endswith(FOREIGN):
        certificate = certify_foreign(
            arguments.model,
            read_table(arguments.data),
            arguments.target,
            alpha=arguments.alpha,
            max_time=arguments.max_time,
            notify=_note,
        )
        print(_wrap(str(certificate)))
        return 0
    model = TabularModel.load(arguments.model)
    if arguments.target != model.target.name:
        raise InputError(
            f"{arguments.model} predicts the column {model.target.name!r}, not {arguments.target!r}"
        )
    table = read_table(arguments.data)
    certificate = certify_table(
        model, table, alpha=arguments.alpha, max_time=arguments.max_time, notify=_note
    )
    print(_wrap(str(certificate)))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    folder = Path(arguments.out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"{arguments.data}.csv"
    write_text(data, _demo_table(arguments.data))
    model, target = str(folder / "model.nogap"), DEMO_DATA[arguments.data][0]
    report = _demo_report(folder)
    if not arguments.quiet:
        written = f" --report {report}" if report else ""
        _note(f"$ nogap fit {data} --target {target} --out {model}{written}")
    options = FitOptions(target=target, max_time=DEMO_TIME)
    return _fit_and_save(str(data), options, model, report, quiet=arguments.quiet)


def _demo_report(folder: Path) -> str | None:
    from nogap.report import require_plots

    try:
        require_plots()
    except InputError as error:  # the demo shows what it can
        _note(f"no report: {error}")
        return None
    return str(folder / "report.html")


def _demo_table(name: str) -> str:
    """The data set of scikit-learn as CSV text, in its own units and with its columns named."""
    from sklearn import datasets

    from nogap.tabular.table import csv_text

    target = DEMO_DATA[name][0]
    if name == "diabetes":
        data = datasets.load_diabetes(scaled=False)
        serum = ["tc", "ldl", "hdl", "tch", "ltg", "glu"]  # what the data call s1 to s6
        names = ["age", "sex", "bmi", "bp", *serum]
        labels: list[object] = data.target.tolist()
    else:
        load = datasets.load_wine if name == "wine" else datasets.load_breast_cancer
        data = load()
        names = list(data.feature_names)
        labels = [str(data.target_names[k]) for k in data.target]
    rows = [[*row, label] for row, label in zip(data.data.tolist(), labels, strict=True)]
    return csv_text([*names, target], rows)


# -- words -----------------------------------------------------------------------------------


def _summary(result: FitResult, out: str, report: str | None) -> str:
    solution = result.solution
    network = solution.network
    heading = "Certificate (a proof)" if solution.certificate.proved else "Certificate (estimate)"
    parts = [
        f"{heading}\n{_wrap(str(solution.certificate))}\n{_wrap(solution.status.sentence)}",
        _quality(result.quality),
    ]
    if network.n_neurons == 0 and solution.status.converged:
        parts.append(
            _wrap(
                "The network is empty: this alpha is so large that the best network is a constant. "
                "Choose a smaller --alpha."
            )
        )
    neurons, inputs = network.n_neurons, network.n_features_in
    lines = [f"Network  {_count(neurons, 'neuron')} on {_count(inputs, 'input')}"]
    lines.append(f"Model    {out}")
    if report is not None:
        lines.append(f"Report   {report}")
    parts.append("\n".join(lines))
    return "\n" + "\n\n".join(parts)


def _quality(quality: Quality) -> str:
    rows = "held-out rows" if quality.held_out else "training rows (none were held out)"
    title = f"Quality on {quality.n_rows} {rows}"
    width = max(len(title), *(len(name) + 2 for name in quality.scores))
    lines = [f"{title:{width}}" + "".join(f"{name:>12}" for name in quality.measures)]
    for name, (first, second) in quality.scores.items():
        lines.append(f"{'  ' + name:{width}}{first:12.3f}{second:12.4g}")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _wrap(text: str) -> str:
    return textwrap.fill(text, 90, initial_indent="  ", subsequent_indent="  ")


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, without the program's name; those of the process when None.

    Returns
    -------
    int
        0 on success, 2 on bad input (with one sentence on stderr), 130 when stopped with Ctrl-C.
    """
    try:
        arguments = _parser().parse_args(argv)
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # --help, --version and argparse's complaints
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    except InputError as error:
        _note(f"nogap: error: {error}")
        return BAD_INPUT
    except BrokenPipeError:  # as in: nogap predict ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _note(f"nogap: error: {error.filename or 'writing'}: {error.strerror or error}")
        return BAD_INPUT
    except KeyboardInterrupt:
        _note("nogap: stopped before there was a network; nothing was written")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
