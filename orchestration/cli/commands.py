"""Every command of `aurora`, as typer shows them; what they do is in the modules beside this one."""

import typer

from orchestration.cli import brokers, data, findings, invitations, keeping, members, meters, models, people, places, running, sources

cli = typer.Typer(
    name="aurora",
    help="Where every kilowatt-hour comes from, goes to, costs and will be needed next.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    running.demo,
    running.up,
    running.init,
    running.status,
    running.doctor,
    keeping.maintain,
    keeping.backup,
    keeping.restore,
    data.refresh,
    data.sql,
    data.simulate,
    sources.pull,
    models.train,
    models.forecast,
    models.recommend,
):
    cli.command()(command)
cli.command("replay-rejected")(data.replay_rejected)
cli.command("process", hidden=True)(running.process)
cli.command("import")(data.import_file)
places.site.command("invite")(invitations.invite)
places.site.command("invitations")(invitations.invitations)
places.site.add_typer(invitations.invitation, name="invitation")
cli.add_typer(places.site, name="site")
cli.add_typer(places.device, name="device")
cli.add_typer(members.member, name="member")
cli.add_typer(meters.meter_event, name="meter-event")
cli.add_typer(findings.finding, name="finding")
cli.add_typer(people.user, name="user")
cli.add_typer(brokers.mosquitto, name="mosquitto")
