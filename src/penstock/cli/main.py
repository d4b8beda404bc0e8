"""The command `penstock`: finds the subcommand, turns errors into messages and exit codes. Imports nothing heavy."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module

import click

from penstock.errors import Bug, ConfigError, PenstockError
from penstock.version import __version__

# name → (module below penstock.cli, one line for the overview)
_COMMANDS = {
    "fetch": ("fetch", "Fetch a list of URLs, process each answer, write records."),
    "retry": ("retry", "Try the dead letters of a run again."),
    "status": ("status", "What a run has done so far, also while it is running."),
    "verify": ("verify", "Check every shard, the ledger and the accounting of a run; repair."),
    "report": ("report", "A page and a Markdown file of what a run did and what limited it."),
    "origin": ("origin", "A local web server with scripted latency, limits and faults."),
    "demo": ("demo", "See all of it: 20,000 pages, 5 % faults, a SIGKILL, a resume, a proof."),
    "compare": ("compare", "Sync, threads, processes, asyncio, uvloop and Penstock on one workload."),
    "tune": ("tune", "Which concurrency to choose: a sweep, a scaling law, a recommendation."),
    "profile": ("profile", "Flamegraphs of a program's CPU time, waiting, memory or event loop."),
}
USAGE, BUG, RESUMABLE = 2, 3, 75


class _Commands(click.Group):
    """Imports a subcommand only when it is called, so that `penstock --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command = getattr(import_module(f"penstock.cli.{_COMMANDS[name][0]}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "PENSTOCK",
        "max_content_width": 100,
    },
    epilog="Start with: penstock fetch urls.txt -o out    Documentation: docs/ in the source tree.",
)
@click.version_option(__version__, prog_name="penstock")
def cli() -> None:
    """Fetch, process and write data in bulk: nothing lost, nothing repeated, as fast as the machine allows."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Exit codes: 0 all written · 1 some items failed · 2 usage or configuration · 3 our bug ·
    75 stopped but resumable · 130/143 interrupted after a clean drain."""
    try:
        cli.main(args=arguments, standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except ConfigError as error:
        if not error.hint and "hint:" not in str(error):
            words = arguments if arguments is not None else sys.argv[1:]
            command = next((f" {word}" for word in words if word in _COMMANDS), "")
            error.hint = f"see `penstock{command} --help`"
        sys.exit(_say(error, USAGE))
    except Bug as error:
        sys.exit(_say(error, BUG))
    except PenstockError as error:
        sys.exit(_say(error, RESUMABLE))
    except Exception:  # noqa: BLE001 - the last resort: whatever it is, it is our bug and must not look like success
        traceback.print_exc()
        click.echo(
            "penstock: this is a bug in Penstock. What was committed is safe; please report the lines above.", err=True
        )
        sys.exit(BUG)


def _say(error: PenstockError, code: int) -> int:
    for line in str(error).splitlines():
        click.echo(f"penstock: {line}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
    return code


if __name__ == "__main__":
    main()
