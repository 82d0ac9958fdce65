"""`veristep agent`: the node agent, run as root on each node."""

from __future__ import annotations

import click


@click.command("agent")
@click.option(
    "--socket",
    "path",
    default="",
    metavar="PATH",
    help="Where supervisors find it [default: /run/veristep/agent.sock].",
)
def command(path: str) -> int:
    """Tell each supervised run on this machine what only root is told about its processes.

    Who sent a signal, SIGKILL and SIGSTOP included; who attached as a debugger or wrote into a process's
    memory; who wrote a file that a run had written. Kernel audit, the process connector and fanotify are
    used as far as this kernel has them. A run is told of its own processes only. Events are printed.
    """
    from veristep.supervise.node.agent import SOCKET, Agent

    agent = Agent(path or SOCKET, click.echo)
    for name, how in agent.covers.items():
        click.echo(f"{name}: {how}", err=True)
    agent.run()
    return 0
