# Zhizhi's commands. `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
RUN := .venv/bin/python
SERVICES := $(RUN) -m config.embedded --ephemeral
# Some machines ask Python to keep nothing compiled: every process of a run would then compile all of us again, a second each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo demo-reset test e2e lint bench messages

setup:
	@$(PYTHON) tools/bootstrap.py

demo: setup
	@$(RUN) -m config.demo

demo-reset: setup
	@$(RUN) -m config.demo --reset

test: setup
	@$(RUN) tools/browser.py
	@$(SERVICES) --bare -- $(RUN) -m pytest -n 2 -q $(ARGS)

e2e: setup
	@$(RUN) tools/browser.py
	@$(SERVICES) --bare -- $(RUN) -m pytest -q -m e2e $(ARGS)

lint: setup
	@$(SERVICES) -- $(RUN) tools/lint.py

bench: setup
	@missed=0; for name in $(or $(NAME),seal search); do $(RUN) -m bench $$name $(ARGS) || missed=1; done; exit $$missed

messages: setup
	@DJANGO_SETTINGS_MODULE=config.settings.test $(RUN) tools/messages.py extract
	@$(RUN) tools/messages.py compile
