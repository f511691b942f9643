# One image for the app and the worker; the command chooses. Build: docker build -t featurescope .
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    FEATURESCOPE_HOME=/data \
    HF_HOME=/data/huggingface \
    NUMBA_CACHE_DIR=/data/numba

RUN useradd --create-home --uid 10001 featurescope && mkdir /data && chown featurescope /data
WORKDIR /srv/featurescope

# The packages first, so that a change of the code does not fetch them again.
COPY pyproject.toml constraints.txt README.md LICENSE featurescope.py ./
RUN mkdir app catalog worker migrations && pip install -c constraints.txt -e .

COPY alembic.ini ./
COPY app app
COPY catalog catalog
COPY worker worker
COPY migrations migrations
COPY templates templates
COPY static static
COPY assets assets
RUN pip install --no-deps -e .

USER featurescope
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["featurescope"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--public"]
