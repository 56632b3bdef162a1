"""Charts of Helm, on small repositories written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.docker.compose import Mount
from fixer.languages.gotemplate import Action, Branch, Template, Text
from fixer.model import FileError, Source
from fixer.repository import Repository
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import Program
from tests.fixture_cases import write

FILES = {
    "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
    "shop/__init__.py": "",
    "shop/settings.py": "SECRET_KEY = 'x'\n",
    "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\n"
    'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
    "application = get_wsgi_application()\n",
    "Dockerfile": 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD ["gunicorn", "shop.wsgi"]\n',
    "compose.yaml": "services:\n  web:\n    build: .\n    image: ghcr.io/acme/shop:dev\n",
    "chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\n",
}
HELPERS = """\
{{- define "shop.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "shop.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "shop.name" . }}
  labels:
    {{- include "shop.labels" . | nindent 4 }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ .Values.replicas }}
  {{- end }}
  template:
    spec:
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .Chart.Name }}
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          {{- if .Values.command }}
          command: {{ toJson .Values.command }}
          {{- end }}
          args:
            {{- range .Values.args }}
            - {{ . | quote }}
            {{- end }}
          env:
            {{- range $name, $value := .Values.env }}
            - name: {{ $name }}
              value: {{ $value | quote }}
            {{- end }}
            - name: RELEASE
              value: {{ .Release.Name }}
          volumeMounts:
            {{- toYaml .Values.mounts | nindent 12 }}
          ports:
            - containerPort: {{ .Values.port }}
"""
VALUES = """\
replicas: 2
autoscaling:
  enabled: false
securityContext:
  runAsUser: 1000
image:
  repository: ghcr.io/acme/shop
command: ["sh", "-c"]
args:
  - python manage.py migrate && gunicorn shop.wsgi
common: &common
  DJANGO_SETTINGS_MODULE: shop.settings
env:
  <<: *common
  WORKERS: 4
  DB_HOST: db.internal
mounts:
  - name: media
    mountPath: /app/media
port: 8000
"""


def picture(folder: Path, files: dict[str, str]) -> Runtime:
    found = Repository(write(folder, {**FILES, **files})).fact(Runtime)
    assert found is not None
    return found


def of_helm(runtime: Runtime) -> list[Program]:
    return [each for each in runtime.programs if each.origin == "helm"]


def only(runtime: Runtime) -> Program:
    (found,) = of_helm(runtime)
    return found


def sources(program: Program) -> list[str]:
    return [each.source for each in program.commands]


def chart(**files: str) -> dict[str, str]:
    given = {"_helpers.tpl": HELPERS, "web.yaml": DEPLOYMENT} | files
    return {f"chart/templates/{name}": text for name, text in given.items()} | {"chart/values.yaml": VALUES}


def test_a_chart_runs_what_its_values_say(tmp_path: Path) -> None:
    program = only(picture(tmp_path, chart()))

    assert (program.place.path, program.place.line) == ("chart/templates/web.yaml", 18)
    assert program.image is not None
    assert program.image.path == "Dockerfile"
    assert sources(program) == ["python manage.py migrate", "gunicorn shop.wsgi"]
    assert program.user == "1000"
    assert program.ports == (8000,)
    assert program.mounts == (Mount("media", "/app/media", bind=False, of_root=True),)
    assert program.settings == {"shop.settings"}
    # Whoever installs the chart may say otherwise.
    assert [(each.text, each.open) for each in program.environment.of("DB_HOST")] == [("db.internal", True)]
    assert program.environment.text("WORKERS") == "4"
    assert program.environment.sets("RELEASE")
    assert program.environment.text("RELEASE") is None
    assert program.unknown == ("chart/values.yaml: what is given instead of it",)


def test_what_migrates_as_a_hook_migrates_with_what_is_deployed(tmp_path: Path) -> None:
    job = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations:
    "helm.sh/hook": pre-upgrade
spec:
  template:
    spec:
      containers:
        - name: migrate
          image: "{{ .Values.image.repository }}"
          command: ["python", "manage.py", "migrate"]
---
"""
    runtime = picture(tmp_path, chart(**{"web.yaml": job}))

    assert [each.source for _, each in runtime.migrations_on_start("shop.settings")] == ["python manage.py migrate"]


@pytest.mark.parametrize(
    ("old", "new", "unknown"),
    [
        ("            {{- range .Values.args }}", '            {{- include "common.args" . | nindent 12 }}\n'
         "            {{- range .Values.none }}", "what `include common.args` says of the container"),
        ("          ports:", '          {{- include "common.more" . | nindent 10 }}\n          ports:',
         "what `include common.more` says of the container"),
        ("            - name: RELEASE", '            {{- include "common.env" . | nindent 12 }}\n'
         "            - name: RELEASE", "the variables of `include common.env`"),
        ("            - name: RELEASE", "            - name: {{ .Release.Name }}", "the variable $Name"),
        ("            {{- toYaml .Values.mounts | nindent 12 }}", '            {{- tpl "{{ .x }}" . | nindent 12 }}',
         "what `tpl  .x  . | nindent 12` mounts"),
    ],
)  # fmt: skip
def test_what_templates_compute_is_named(tmp_path: Path, old: str, new: str, unknown: str) -> None:
    assert old in DEPLOYMENT
    program = only(picture(tmp_path, chart(**{"web.yaml": DEPLOYMENT.replace(old, new)})))

    assert f"chart/templates/web.yaml:18: {unknown}" in program.unknown


def test_what_the_values_turn_off_is_named(tmp_path: Path) -> None:
    text = "{{- if .Values.worker.enabled }}\n" + DEPLOYMENT + "{{- end }}\n"
    runtime = picture(tmp_path, chart(**{"web.yaml": text}) | {"chart/values-live.yaml": "port: 1\n"})

    assert of_helm(runtime) == []
    assert "chart/templates/web.yaml: what it writes by `if .Values.worker.enabled`" in runtime.unknown
    assert "chart/values-live.yaml: what it gives the chart instead" in runtime.unknown


def test_a_chart_around_it_gives_values(tmp_path: Path) -> None:
    inner = {path.replace("chart/", "around/charts/shop/"): text for path, text in chart().items()}
    files = inner | {
        "around/charts/shop/Chart.yaml": "name: shop\n",
        "around/Chart.yaml": "name: around\n",
        "around/values.yaml": 'shop:\n  args: ["celery -A shop worker"]\n',
        "chart/Chart.yaml": "",
    }
    del files["chart/Chart.yaml"]
    (program,) = (each for each in of_helm(picture(tmp_path, files)) if each.place.path.startswith("around/"))

    assert sources(program) == ["celery -A shop worker"]


@pytest.mark.parametrize("text", ["{{ if", "{{ end }}", "{{ include }}", "{{ | x }}", "{{ . }}{{ else }}", '{{ "a }}'])
def test_what_is_no_template_is_named(tmp_path: Path, text: str) -> None:
    runtime = picture(tmp_path, chart(**{"web.yaml": DEPLOYMENT, "odd.yaml": f"kind: Deployment\n{text}\n"}))

    assert len(of_helm(runtime)) == 1
    assert text == "{{ include }}" or "chart/templates/odd.yaml: what the chart starts" in runtime.unknown


def test_templates_that_take_in_themselves_come_to_an_end(tmp_path: Path) -> None:
    loop = '{{- define "a" }}{{ include "a" . }}{{ end }}'
    web = DEPLOYMENT.replace('include "shop.name" .', 'include "a" .')
    runtime = picture(tmp_path, chart(**{"_helpers.tpl": HELPERS + loop, "web.yaml": web}))

    assert len(of_helm(runtime)) == 1


def test_a_template_says_texts_actions_and_branches() -> None:
    text = (
        'a: {{- /* no */ -}} {{ .Values.b | default "}}" }}\n'
        "{{- range $k, $v := .c }}\n- {{ $v }}\n{{ else }}x{{ end }}\n"
    )
    items = Template.parse(Source("a.yaml", text)).items

    assert [type(each) for each in items] == [Text, Action, Branch, Text]
    branch = items[2]
    assert isinstance(branch, Branch)
    assert (branch.kind, branch.names) == ("range", ("$k", "$v"))
    assert [type(each) for each in branch.otherwise] == [Text]
    with pytest.raises(FileError):
        Template.parse(Source("a.yaml", "{{ (a }}"))
