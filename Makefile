# vertebra: `make demo` shows it, `make test` checks it, `make bench` measures it.
#
#   DEMO_DIR     where the demonstration puts its data (default ./demo; removed and made anew)
#   DEMO_PEOPLE  how many people live in its city (default 30000)
#   DEMO_SERVE   0: don't serve anything at the end (there is nothing to serve yet)
#   KAFKA        skip: leave out what needs brokers, and say so (continuous integration never does)
#   BENCH_SCALE  1.0 is a Hanoi-year: 8.6 million people, 60 million events; on Kafka 10 million (default 1.0)
#   PROPTEST_RNG_SEED, PROPTEST_CASES, LAW_CITIES, LAW_SEED, CRASH_SEEDS, KILL_ROUNDS  which random cases, and how many

SHELL := /bin/sh
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
DEMO_DIR ?= demo
DEMO_PEOPLE ?= 30000
DEMO_SERVE ?= 1
BENCH_SCALE ?= 1.0
# The same random cases in every run: a red run is a change's doing. Another number, or none, looks further.
PROPTEST_RNG_SEED ?= 72
export PROPTEST_RNG_SEED
BENCH_JSONL = $(abspath $(TARGET))/bench.jsonl

.PHONY: help demo test bench build check-format lint unit demo-small proto bench-small install clean-demo needs-cargo needs-openssl

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

needs-cargo:
	@command -v $(CARGO) >/dev/null 2>&1 || { echo "Rust is missing: install it as https://rustup.rs says (1.90 or newer), then run make again." >&2; exit 1; }

# The client of Kafka is built with OpenSSL, whose headers not every machine has; the demonstration does without it.
HAS_OPENSSL := $(shell printf '\#include <openssl/ssl.h>\n' | cc -E -x c - >/dev/null 2>&1 && command -v make >/dev/null 2>&1 && echo yes)

build: needs-cargo ## The command, optimised
	@[ '$(HAS_OPENSSL)' = yes ] || echo "OpenSSL's headers are missing: vertebra is built without Kafka. For it: apt install libssl-dev pkg-config, then make again."
	$(CARGO) build --release --package vertebra $(if $(HAS_OPENSSL),,--no-default-features)

needs-openssl:
	@[ '$(HAS_OPENSSL)' = yes ] || { echo "OpenSSL's headers are missing, which the client of Kafka needs (Debian: apt install libssl-dev pkg-config)." >&2; exit 1; }

demo: build ## A synthetic city and real claim files, end to end, in ./demo
	@DEMO_DIR='$(DEMO_DIR)' DEMO_PEOPLE='$(DEMO_PEOPLE)' DEMO_SERVE='$(DEMO_SERVE)' VERTEBRA='$(TARGET)/release/vertebra' sh deploy/demo/run.sh

clean-demo: ## Remove what the demonstration made
	@if [ -e '$(DEMO_DIR)/.vertebra-demo' ]; then rm -rf '$(DEMO_DIR)'; \
	elif [ -e '$(DEMO_DIR)' ]; then echo '$(DEMO_DIR) is not from a demonstration and stays as it is.' >&2; exit 1; fi

test: check-format lint unit demo-small proto bench-small ## Everything that CI checks

check-format: needs-cargo ## Formatting
	$(CARGO) fmt --all --check

lint: needs-cargo needs-openssl ## Clippy, without warnings
	$(CARGO) clippy --workspace --all-targets -- -D warnings

unit: needs-cargo needs-openssl ## All tests
	$(CARGO) test --workspace

demo-small: needs-cargo ## The demonstration on a village, with the command that the tests use
	@$(CARGO) test --workspace --no-run --quiet
	@DEMO_DIR='$(TARGET)/demo-small' DEMO_PEOPLE=2000 DEMO_SERVE=0 VERTEBRA='$(TARGET)/debug/vertebra' sh deploy/demo/run.sh > '$(TARGET)/demo-small.txt' \
		|| { cat '$(TARGET)/demo-small.txt'; exit 1; }

proto: ## The contract: lint, and nothing that breaks old readers
	sh proto/check.sh

bench-small: needs-cargo ## The benches on a small town, so that they cannot rot
	mkdir -p '$(TARGET)' && : > '$(BENCH_JSONL).small'
	BENCH_SCALE=0.001 $(CARGO) bench --profile dev --package contract --bench events
	PEOPLE=200 ROUNDS=1 $(CARGO) bench --profile dev --package projection --bench fold
	BENCH_SCALE=0.001 BENCH_JSONL='$(BENCH_JSONL).small' $(CARGO) bench --profile dev --package event-log --bench append
	BENCH_SCALE=0.001 BENCH_JSONL='$(BENCH_JSONL).small' $(CARGO) bench --profile dev --package vertebra --bench city
	BENCH_SCALE=0.001 BENCH_JSONL='$(BENCH_JSONL).small' $(CARGO) bench --profile dev --package vertebra --bench kafka

bench: needs-cargo ## A table, and bench.jsonl in the cargo target directory
	mkdir -p '$(TARGET)' && : > '$(BENCH_JSONL)'
	BENCH_SCALE='$(BENCH_SCALE)' $(CARGO) bench --package contract --bench events
	$(CARGO) bench --package projection --bench fold
	BENCH_SCALE='$(BENCH_SCALE)' BENCH_JSONL='$(BENCH_JSONL)' $(CARGO) bench --package event-log --bench append
	BENCH_SCALE='$(BENCH_SCALE)' BENCH_JSONL='$(BENCH_JSONL)' $(CARGO) bench --package vertebra --bench city
	BENCH_SCALE='$(BENCH_SCALE)' BENCH_JSONL='$(BENCH_JSONL)' $(CARGO) bench --package vertebra --bench kafka

install: needs-cargo ## The command into ~/.cargo/bin
	$(CARGO) install --path crates/vertebra --locked
