# The images for those who build with an engine. `cargo xtask image` makes the same without one, and this takes its content, so
# that there is one description of what is in them.
#
#   docker build --target leasehold -t leasehold .
#   docker build --target leasehold-agent --build-arg IMAGE=leasehold-agent -t leasehold-agent .
#   docker build --target leasehold-agent --build-arg IMAGE=leasehold-agent-shell -t leasehold-agent:shell .
FROM docker.io/library/rust:1-bookworm AS build
ARG IMAGE=leasehold
WORKDIR /src
COPY . .
RUN cargo xtask image "$IMAGE" --out /out
RUN set -e; mkdir /content; \
    layer=$(tar -xOf "/out/$IMAGE.tar" manifest.json | sed 's/.*"Layers":\["\([^"]*\)".*/\1/'); \
    tar -xOf "/out/$IMAGE.tar" "$layer" | tar -xzp -C /content

FROM scratch AS content
COPY --from=build /content/ /
USER 100:1000
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/vault \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt

FROM content AS leasehold-agent
ENTRYPOINT ["/usr/local/bin/leasehold-agent"]
CMD ["run"]

FROM content AS leasehold
ENTRYPOINT ["/usr/local/bin/leasehold"]
