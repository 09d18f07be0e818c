"""Resources: what a client can look at, or put before a model, without calling a tool."""

from collections.abc import Generator
from contextlib import contextmanager

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError

from deltanas_mcp.server.access import current_owner
from deltanas_mcp.server.job_info import job_info
from deltanas_mcp.server.room import ServerRoom
from deltanas_mcp.server.texts import text
from deltanas_repo_store.errors import DeltaNasError

INDEX = "deltanas://index"
ARCHITECTURE = "deltanas://architectures/{id}"
FILE = "deltanas://architectures/{id}/files/{+path}"
DIFF = "deltanas://architectures/{id}/diff/{other}"
LINEAGE = "deltanas://architectures/{id}/lineage"
LEADERBOARD = "deltanas://leaderboard/{dataset}"
RUN = "deltanas://runs/{run}"
JOB = "deltanas://jobs/{job_id}"
JOB_LOG = "deltanas://jobs/{job_id}/log"
DELTA_FORMAT = "deltanas://delta-format"
_JSON = "application/json"


def add_resources(server: MCPServer, room: ServerRoom) -> None:
    """Add every resource and template. Nothing is opened before one is read."""
    _add_guide(server)
    _add_lists(server, room)
    _add_architectures(server, room)
    _add_jobs(server, room)


@contextmanager
def told_to_the_reader() -> Generator[None]:
    """Pass our own errors on to the client; any other stays a crash, logged and withheld."""
    try:
        yield
    except DeltaNasError as error:
        raise ResourceError(str(error)) from error


def _add_guide(server: MCPServer) -> None:
    @server.resource(DELTA_FORMAT, title="How to write a delta", mime_type="text/markdown")
    def delta_format() -> str:
        """What apply_patch reads, with examples, and why it refuses a delta."""
        return text("delta-format")


def _add_lists(server: MCPServer, room: ServerRoom) -> None:
    @server.resource(INDEX, title="The store", mime_type=_JSON)
    def index() -> str:
        """What there is: architectures, pending candidates, data sets with a leaderboard, runs."""
        from deltanas_mcp.server.resources import store_views

        with told_to_the_reader():
            return store_views.index(room.store()).model_dump_json(indent=2)

    @server.resource(LEADERBOARD, title="Leaderboard", mime_type=_JSON)
    def leaderboard(dataset: str) -> str:
        """The best architectures on a data set, by accuracy on the search split."""
        from deltanas_mcp.server.resources import store_views

        with told_to_the_reader():
            return store_views.leaderboard_of(room.store(), dataset).model_dump_json(indent=2)

    @server.resource(RUN, title="A run", mime_type=_JSON)
    def run(run: str) -> str:
        """What a run is, what it has spent, how far its answers came, its best and newest."""
        from deltanas_mcp.server.resources import store_views

        with told_to_the_reader():
            return store_views.run(room.store(), run).model_dump_json(indent=2)


def _add_architectures(server: MCPServer, room: ServerRoom) -> None:
    @server.resource(ARCHITECTURE, title="An architecture", mime_type=_JSON)
    def architecture(id: str) -> str:
        """Hyper-parameters, measurements and history, by id, baseline or RUN%2Fc01-003."""
        from deltanas_mcp.server.resources import store_views

        with told_to_the_reader():
            return store_views.architecture(room.store(), id).model_dump_json(indent=2)

    @server.resource(FILE, title="A file of an architecture", mime_type="text/plain")
    def architecture_file(id: str, path: str) -> str:
        """The file net.py or hparams.json to the letter: data that a model may have written."""
        from deltanas_mcp.server.resources import store_views

        with told_to_the_reader():
            return store_views.file(room.store(), id, path)

    @server.resource(DIFF, title="Two architectures compared", mime_type="text/x-diff")
    def architecture_diff(id: str, other: str) -> str:
        """The unified diff that turns one architecture into the other."""
        from deltanas_mcp.server.resources import store_views

        with told_to_the_reader():
            return store_views.difference(room.store(), id, other)

    @server.resource(LINEAGE, title="Lineage of an architecture", mime_type=_JSON)
    def architecture_lineage(id: str) -> str:
        """Its ancestors from the baseline on, with what each step gained, and its descendants."""
        from deltanas_mcp.server.resources import store_views

        with told_to_the_reader():
            return store_views.lineage(room.store(), id).model_dump_json(indent=2)


def _add_jobs(server: MCPServer, room: ServerRoom) -> None:
    @server.resource(JOB, title="A job", mime_type=_JSON)
    def job(job_id: str) -> str:
        """How one of your jobs is doing, as get_job tells."""
        from deltanas_mcp.server.resources.job_views import found_job

        with told_to_the_reader():
            return job_info(found_job(room, job_id, current_owner())).model_dump_json(indent=2)

    @server.resource(JOB_LOG, title="Log of a job", mime_type="text/plain")
    def job_log(job_id: str) -> str:
        """The end of the log of one of your jobs: untrusted text."""
        from deltanas_mcp.server.resources.job_views import log_of

        with told_to_the_reader():
            return log_of(room, job_id, current_owner())
