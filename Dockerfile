# The image that dev/images/build makes without Docker, from the same build output:
#
#   dev/build release && dev/images/stage && docker build -t sandgate:dev .
FROM scratch
COPY build/release/image-root/ /
USER 65532:65532
CMD ["/usr/local/bin/sandgate-operator"]
