# The front door. Every target installs the Debian packages it lacks (scripts/install-deps.sh says
# which and why); the work itself is CMake's and the scripts'.
.DEFAULT_GOAL := help
.PHONY: build run test bench chaos soak fuzz format lint package clean help

build: ## the release build: build/evergate
	@scripts/install-deps.sh build
	@cmake --preset release >/dev/null
	@cmake --build --preset release

run: ## build, then a proxy with three backends to try (ARGS="--port 8081")
	@scripts/install-deps.sh run
	@cmake --preset release >/dev/null
	@cmake --build --preset release
	@exec build/evergate demo $(ARGS)

test: ## build everything, run every test; the last line is "N passed, N failed"
	@scripts/install-deps.sh test
	@scripts/test.sh

bench: build ## evergate, nginx and HAProxy side by side (ROUNDS, SECONDS_PER_RUN, SCENARIOS)
	@scripts/install-deps.sh bench
	@cmake -S tests/bench -B build/bench -G Ninja -DEVERGATE_LTO=ON >/dev/null
	@cmake --build build/bench -- --quiet
	@tests/bench/run.sh $(ARGS)

chaos: build ## break real servers under load, tell what clients saw (ARGS="--scenarios kill,stop")
	@scripts/install-deps.sh chaos
	@cmake -S tests/chaos -B build/chaos -G Ninja >/dev/null
	@cmake --build build/chaos -- --quiet
	@tests/chaos/run.sh $(ARGS)

soak: build ## reloads, upgrades, discovery under load, tell what clients saw (ARGS="--only reloads")
	@scripts/install-deps.sh soak
	@cmake -S tests/chaos -B build/chaos -G Ninja >/dev/null
	@cmake --build build/chaos -- --quiet
	@tests/soak/run.sh $(ARGS)

fuzz: ## every fuzz target for FUZZ_SECONDS (60); new crashers go to tests/fuzz/regression
	@scripts/install-deps.sh fuzz
	@scripts/fuzz.sh $(TARGETS)

format: ## clang-format over all our C
	@scripts/install-deps.sh lint
	@scripts/lint.sh format

lint: ## clang-format and clang-tidy, as a gate
	@scripts/install-deps.sh lint
	@scripts/lint.sh

package: build ## .deb and .tar.gz in build/packages/
	@cd build && cpack

clean: ## removes build/
	@rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
