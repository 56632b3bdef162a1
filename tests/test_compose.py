"""Compose files as services."""

from __future__ import annotations

import pytest

from fixer.docker.compose import Build, Compose, Mount
from fixer.documents import kind_of, name_of
from fixer.languages.dockerfile import ImageRef
from fixer.model import Source

TEXT = """\
services:
  db:
    image: postgres:16-alpine
    ports: ["127.0.0.1:5432:5432", "8000-8001:80-81/tcp", 9000]
  web: &web
    build:
      context: ./api
      dockerfile: docker/prod.Dockerfile
      target: final
    command: [gunicorn, app]
    user: "1000:1000"
    environment:
      DEBUG: false
      SECRET:
    ports:
      - target: 8080
        published: 80
    depends_on:
      db: {condition: service_healthy}
    volumes:
      - ./api:/app
      - data:/data:ro
      - /cache
      - ${DATA:-./x}:/y
      - {type: bind, source: ., target: /src}
  worker:
    <<: *web
    build: ./api
    environment: [A=1, B]
    command: sh -c "run"
  nothing:
"""


def compose(text: str = TEXT, path: str = "deploy/compose.yml") -> Compose:
    return Compose.parse(Source(path, text))


def test_services_have_images_builds_and_commands() -> None:
    services = compose().services

    assert list(services) == ["db", "web", "worker"]
    assert services["db"].image == ImageRef("", "postgres", "16-alpine")
    assert services["web"].build == Build("deploy/api", "deploy/api/docker/prod.Dockerfile", "final")
    assert services["worker"].build == Build("deploy/api", "deploy/api/Dockerfile", "")
    assert services["web"].command == ["gunicorn", "app"]
    assert services["worker"].command == 'sh -c "run"'


def test_environment_has_two_forms() -> None:
    services = compose().services
    assert services["web"].environment == {"DEBUG": "false", "SECRET": None}
    assert services["worker"].environment == {"A": "1", "B": None}


def test_ports_are_those_inside_the_container() -> None:
    services = compose().services
    assert services["db"].ports == (5432, 80, 81, 9000)
    assert services["web"].ports == (8080,)


def test_mounts_are_told_from_named_volumes() -> None:
    assert compose().services["web"].mounts == (
        Mount("./api", "/app", True, "deploy/api"),
        Mount("data", "/data", False, read_only=True),
        Mount("", "/cache", False),
        Mount("${DATA:-./x}", "/y", False),
        Mount(".", "/src", True, "deploy"),
    )


@pytest.mark.parametrize("context", ["../..", "https://example.com/repo.git", "$CONTEXT", "/srv"])
def test_a_context_outside_of_the_repository_is_not_known(context: str) -> None:
    assert compose(f"services: {{a: {{build: '{context}'}}}}").services["a"].build is None


@pytest.mark.parametrize("path", ["local.yml", "production.yml", "backend/staging.yaml"])
def test_compose_files_may_be_named_after_where_they_run(path: str) -> None:
    assert kind_of(path) == name_of(Compose)


@pytest.mark.parametrize("path", ["config/environments/production.yml", "test.yml", "locale.yml", ".github/local.yml"])
def test_other_files_with_such_names_are_none(path: str) -> None:
    assert kind_of(path) != name_of(Compose)


def test_a_file_without_services_has_none() -> None:
    assert compose("volumes: {}\n").services == {}
