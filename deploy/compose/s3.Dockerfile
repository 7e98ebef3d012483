# An S3 server for a trial: MiniStack, as adce_assets_tests/lake/ministack-constraints.txt pins it.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
RUN python -m venv --without-pip /opt/s3
COPY adce_assets_tests/lake/ministack-constraints.txt .
RUN python -m pip --python /opt/s3/bin/python install --disable-pip-version-check --no-cache-dir --no-deps \
      --require-hashes -r ministack-constraints.txt

FROM ${PYTHON}
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel \
 && groupadd --gid 10001 s3 \
 && useradd --uid 10001 --gid s3 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin s3 \
 && install -d -o s3 -g s3 /srv/s3
COPY --from=build /opt/s3 /opt/s3
ENV PATH=/opt/s3/bin:$PATH BIND_HOST=0.0.0.0 GATEWAY_PORT=4566 SERVICES=s3 S3_PERSIST=1 S3_DATA_DIR=/srv/s3 \
    IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 LOG_LEVEL=WARNING PYTHONDONTWRITEBYTECODE=1
VOLUME ["/tmp", "/srv/s3"]
EXPOSE 4566
USER 10001:10001
CMD ["ministack"]
