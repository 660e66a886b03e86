# The program cldiff in a small image.
#
# CPU (default):
#   docker build -t cldiff .
#   docker run --rm -v "$PWD:/work" cldiff --out runs/first
#
# NVIDIA GPU (driver of CUDA 13, NVIDIA Container Toolkit); the base is NVIDIA's CUDA runtime:
#   docker build -t cldiff-cuda --build-arg BACKENDS=cuda,flex,ndarray \
#     --build-arg BASE=nvidia/cuda:13.0.1-runtime-ubuntu24.04 .
#   docker run --rm --gpus all -v "$PWD:/work" cldiff-cuda --backend cuda --out runs/first
#
# The build needs no CUDA: the program opens the driver and the runtime compiler (NVRTC) when a run asks for them.

ARG BASE=debian:bookworm-slim

FROM rust:1.93-bookworm AS build
ARG BACKENDS=flex,ndarray
WORKDIR /source
COPY . .
RUN cargo build --locked --profile dist -p cldiff-cli --no-default-features --features "$BACKENDS" \
    && cp target/dist/cldiff /cldiff

FROM ${BASE}
# NVRTC includes headers of the CUDA runtime when it compiles kernels; NVIDIA's runtime image has the libraries alone.
ARG CUDA_PACKAGES="cuda-cudart-dev-13-0 cuda-cccl-13-0"
RUN if [ -d /usr/local/cuda ]; then \
      apt-get update \
      && apt-get install -y --no-install-recommends $CUDA_PACKAGES \
      && rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=build /cldiff /usr/local/bin/cldiff
COPY LICENSE-APACHE LICENSE-MIT /usr/local/share/doc/cldiff/
WORKDIR /work
ENTRYPOINT ["cldiff"]
