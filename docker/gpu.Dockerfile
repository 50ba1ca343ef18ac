# nervbench on an NVIDIA GPU. Build from the root: docker build -f docker/gpu.Dockerfile -t nervbench:gpu .
# Run with --gpus all; PyTorch's wheels bring CUDA's libraries, the host its driver. EXTRA=gpu,trt adds TensorRT.
# Its cases: run /opt/nervbench/gpu.toml --device cuda, or one of yours in a folder mounted at /work.
FROM python:3.12-slim-bookworm
ARG EXTRA=gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/nervbench
COPY pyproject.toml constraints.txt README.md LICENSE gpu.toml ./
COPY nervbench nervbench
COPY kernels kernels
RUN pip install --no-cache-dir -c constraints.txt torch \
 && pip install --no-cache-dir -c constraints.txt ".[$EXTRA]"
RUN mkdir --mode 1777 /work
USER nobody
ENV HOME=/tmp
WORKDIR /work
ENTRYPOINT ["nervbench"]
