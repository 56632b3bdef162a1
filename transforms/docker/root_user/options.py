"""What a configuration can say to root-user."""

from collections.abc import Mapping, Sequence

from fixer.docker.compose import Mount
from fixer.languages.toml import toml_value
from fixer.model import RuleOptions, option


class Options(RuleOptions):
    user: str = option("app", "the name of a user that has to be made")
    uid: int = option(10001, "its number, and that of its group")
    images: Mapping[str, str] = option(
        {}, "families (debian, alpine, redhat, none) or users of base images that are not known"
    )
    mounted: Sequence[str] = option((), "folders of the container whose mounts from the host let the user write")
    writable: Sequence[str] = option((), "more folders of the container that the process writes to")
    low_ports: bool = option(False, "whether every engine that runs the image lets users listen below port 1024")
    development: bool = option(False, "whether Dockerfiles for development and tests are looked at")


def also_mounted(options: Options, mount: Mount) -> str:
    """The line of a configuration which says that the user may write to this mount as well."""
    return f"rules.root-user.mounted = {toml_value([*options.mounted, mount.target])}"
