"""featurescope people: who may sign in. The first admin is made here, by whoever can reach the database."""

import argparse
import json
import sys
from collections.abc import Sequence

from sqlalchemy import Engine

from app.account_acts import read, write
from app.failures import AppError
from app.paths import SitePaths, StaticFileHashes
from app.people.cookie import new_secret
from app.settings import AppSettings
from app.templating import STATIC
from catalog.engine import make_engine
from catalog.label_records import ROLES
from catalog.people_records import BadAccount, digest_of
from catalog.revision import check_revision
from catalog.writer.accounts import AccountWriter, Doer

BY = Doer("", "the command line")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb. Returns the exit code; what else the catalog raises goes to the caller."""
    options = _parser().parse_args(argv)
    try:
        settings = AppSettings.from_environment()
        engine = make_engine(settings.catalog.database_url)
        check_revision(engine)
        _run(options, settings, engine)
    except (AppError, BadAccount) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace, settings: AppSettings, engine: Engine) -> None:
    if options.act == "list":
        _list(options, engine)
    elif options.act in ("add", "reset"):
        _link(options, settings, engine)
    elif options.act == "role":
        write(engine, BY, lambda people: people.set_role(options.name, options.role))
        _say(options, f"{options.name!r} is a {options.role} now.", role=options.role)
    else:
        write(engine, BY, lambda people: people.remove_access(options.name))
        _say(options, f"{options.name!r} can sign in no more. What they said stays.")


def _link(options: argparse.Namespace, settings: AppSettings, engine: Engine) -> None:
    """A link that works once. Whoever has it is that person, so it goes to stdout alone, never into the log."""
    secret, hours = new_secret(), settings.invitation_hours
    digest = digest_of(secret)

    def act(people: AccountWriter) -> None:
        if options.act == "add":
            people.invite(options.name, options.role, digest=digest, hours=hours)
        else:
            people.renew(options.name, digest=digest, hours=hours)

    write(engine, BY, act)
    paths = SitePaths(StaticFileHashes(STATIC), prefix=settings.path_prefix)
    link = f"{options.url.rstrip('/')}{paths.join(invitation=secret)}"
    _say(options, f"For {options.name}, once, within {hours:g} hours:\n{link}", link=link, hours=hours)
    if settings.auth == "off":
        print("The app lets people sign in where it is started with FEATURESCOPE_AUTH=accounts.", file=sys.stderr)


def _list(options: argparse.Namespace, engine: Engine) -> None:
    everybody = [each for each in read(engine, lambda people: people.all()) if each.has_password]
    if options.json:
        print(json.dumps({"people": [{"name": each.name, "role": each.role} for each in everybody]}))
    elif not everybody:
        print("Nobody can sign in yet. Make an admin: featurescope people add NAME --role admin")
    for each in [] if options.json else everybody:
        print(f"{each.role:<10}{each.name}")


def _say(options: argparse.Namespace, words: str, **facts: object) -> None:
    print(json.dumps({"act": options.act, "name": options.name, **facts}) if options.json else words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="featurescope people", description="Who may sign in, where the app runs with FEATURESCOPE_AUTH=accounts."
    )
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    for act, words in {
        "add": "print a link with which somebody new chooses a password",
        "reset": "print a link with which somebody chooses a new password",
        "role": "give somebody another role",
        "remove": "take somebody's password, sessions and tokens; what they said stays",
        "list": "who can sign in",
    }.items():
        one = acts.add_parser(act, help=words, description=words)
        one.add_argument("--json", action="store_true", help="print one JSON object at the end")
        if act != "list":
            one.add_argument("name", help="their name, as it stands beside their labels")
        if act in ("add", "role"):
            one.add_argument("--role", choices=ROLES, required=act == "role", default="labeller")
        if act in ("add", "reset"):
            one.add_argument("--url", default="http://127.0.0.1:8000", help="where people reach the app")
    return parser
