# Two stages: the first has pip and the build back-end, the second only Python and the finished environment.
# Everything in it comes from lock files with hashes; only the back-end that builds the one source distribution among them
# (alibabacloud-tea) is pip's choice.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements-run.lock requirements-build.lock ./
RUN python -m venv /opt/build \
 && python -m venv --without-pip /opt/dlc-watcher \
 && /opt/build/bin/pip --python /opt/dlc-watcher/bin/python install --require-hashes -r requirements-run.lock \
 && /opt/build/bin/pip install --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY watcher watcher
COPY rules rules
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
 && /opt/build/bin/pip --python /opt/dlc-watcher/bin/python install --no-deps /tmp/wheel/*.whl \
 && /opt/dlc-watcher/bin/python -m compileall -q /opt/dlc-watcher/lib

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="dlc-watcher" \
      org.opencontainers.image.description="Status watcher and notifier for Alibaba Cloud PAI-DLC jobs" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/dlc-watcher /opt/dlc-watcher
# A numeric user, so that Kubernetes can see that it is not root. The root file system may be read-only; only /data is written.
RUN install -d -m 0700 -o 10001 -g 10001 /data
ENV PATH=/opt/dlc-watcher/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DLC_WATCHER_CONFIG=/etc/dlc-watcher/dlc-watcher.yaml
USER 10001:10001
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s CMD ["dlc-watcher", "health"]
ENTRYPOINT ["dlc-watcher"]
CMD ["run"]
