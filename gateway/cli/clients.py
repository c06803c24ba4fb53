"""clients: who may call, added, rotated, listed, revoked. Passwords are shown once, on standard output, never logged."""

from typing import Annotated

import typer

from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Person, show, show_table, with_environment
from gateway.pipeline.clients import Clients
from gateway.pipeline.environment import Environment

app = typer.Typer(help="API clients: producers of reports, and case systems.", no_args_is_help=True)

Organisations = Annotated[list[str], typer.Option("--organisation", help="Organisation number; may be repeated.")]
ClientId = Annotated[str, typer.Argument(help="The client's id, as `clients list` shows it.")]


def _clients(env: Environment) -> Clients:
    return Clients(env.store, env.clock)


@app.command("add-produsent")
def add_produsent(
    organisation: Organisations,
    fiks_org_id: Annotated[str, typer.Option(help="The fiksOrgId it sends as.")],
    person: Person,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Register a system that sends concern reports; prints its integration id and password, this once."""

    async def run(env: Environment) -> tuple[str, str]:
        return await _clients(env).add_produsent(fiks_org_id=fiks_org_id, organisations=organisation, actor=person)

    client_id, password = with_environment(config_file, run)
    show(
        {"integrasjonId": client_id, "integrasjonPassord": password},
        as_json=as_json,
        line=f"IntegrasjonId       {client_id}\nIntegrasjonPassord  {password}\nThe password is not shown again.",
    )


@app.command("add-fagsystem")
def add_fagsystem(
    client_id: Annotated[str, typer.Argument(help="The client id that its access tokens carry.")],
    organisation: Organisations,
    tenant: Annotated[
        list[str], typer.Option(help="An office whose messages it may see, as 4601-02; may be repeated.")
    ],
    person: Person,
    certificate: Annotated[
        str | None, typer.Option(help="SHA-256 fingerprint of its certificate, hexadecimal, for mutual TLS.")
    ] = None,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Register a case system."""

    async def run(env: Environment) -> None:
        await _clients(env).add_fagsystem(
            client_id, organisations=organisation, tenants=tenant, certificate=certificate, actor=person
        )

    with_environment(config_file, run)
    show({"id": client_id}, as_json=as_json, line=f"registered: {client_id}")


@app.command("rotate")
def rotate(
    client_id: ClientId, person: Person, config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """Give a producer a new password; the old one works for 24 hours more."""

    async def run(env: Environment) -> str:
        return await _clients(env).rotate(client_id, actor=person)

    password = with_environment(config_file, run)
    show(
        {"integrasjonId": client_id, "integrasjonPassord": password},
        as_json=as_json,
        line=f"IntegrasjonPassord  {password}",
    )


@app.command("revoke")
def revoke(
    client_id: ClientId, person: Person, config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """Shut a client out from its next request on."""

    async def run(env: Environment) -> None:
        await _clients(env).revoke(client_id, actor=person)

    with_environment(config_file, run)
    show({"id": client_id, "active": False}, as_json=as_json, line=f"revoked: {client_id}")


@app.command("list")
def list_clients(config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Every client, with what it may do; never a password."""

    async def run(env: Environment) -> list[dict[str, object]]:
        return [
            {
                "id": client.id,
                "kind": client.kind,
                "active": client.active,
                "organisations": sorted(client.organisation_numbers),
                "tenants": sorted(client.tenants),
                "rights": sorted(client.rights),
            }
            for client in await _clients(env).every()
        ]

    show_table(with_environment(config_file, run), as_json=as_json, empty="no client is registered")
