# nervbench on the processor. Build from the root: docker build -f docker/cpu.Dockerfile -t nervbench:cpu .
# Its cases: run /opt/nervbench/bench.toml, or one of yours in a folder mounted at /work. INDEX names an index that has PyTorch without CUDA; without it the usual build is taken, which is larger and works.
FROM python:3.12-slim-bookworm
ARG INDEX=
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/nervbench
COPY pyproject.toml constraints.txt README.md LICENSE bench.toml ./
COPY nervbench nervbench
COPY kernels kernels
RUN pip install --no-cache-dir -c constraints.txt ${INDEX:+--index-url "$INDEX"} torch \
 && pip install --no-cache-dir -c constraints.txt '.[cpu]'
RUN mkdir --mode 1777 /work
USER nobody
ENV HOME=/tmp
WORKDIR /work
ENTRYPOINT ["nervbench"]
