# One image, one user, nothing to write but /var/lib/budstikke. All steps are in .ci/image-steps, which CI runs without
# Docker in a fresh folder. Name the base by digest when you build for production:
#   docker build --build-arg BASE=python:3.11-slim@sha256:... .
ARG BASE=python:3.11-slim
FROM ${BASE} AS build
COPY . /src
RUN /src/.ci/image-steps /src /opt/budstikke

FROM ${BASE}
COPY --from=build /opt/budstikke /opt/budstikke
RUN useradd --system --uid 10001 --home-dir /var/lib/budstikke --create-home --shell /usr/sbin/nologin budstikke \
 && chmod 0700 /var/lib/budstikke
USER 10001:10001
ENV PATH=/opt/budstikke/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    BUDSTIKKE_CONFIG=/etc/budstikke/gateway.toml \
    BUDSTIKKE__DATA_DIR=/var/lib/budstikke
VOLUME ["/var/lib/budstikke"]
EXPOSE 8443 8444 8445
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["budstikke", "health"]
# Run with: --read-only --tmpfs /tmp:size=16m,noexec --cap-drop ALL --security-opt no-new-privileges --ulimit core=0
ENTRYPOINT ["budstikke"]
CMD ["run"]
