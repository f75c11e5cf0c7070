# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent, live: whose memory it is, and where its numbers come from."""
import os

import talk
from agent_live import Agent, expect, until


def components(agent, pid):
    """{name: component} of the newest report."""
    rows = agent.get(f"/api/v1/targets/{agent.target(pid)['id']}/components")["components"]
    return {row["name"]: row for row in rows}


def report_now(agent, pid):
    """Has the trace that runs report: a session's end does."""
    session = agent.do("POST", "/api/v1/sessions", {"target": f"pid-{pid}", "session_name": "a look"}, 201)["session_id"]
    agent.do("POST", f"/api/v1/sessions/{session}/stop")


def same(agent, pid, truth):
    found = components(agent, pid)
    return all(part["name"] in found and found[part["name"]]["outstanding_bytes"] == part["outstanding_bytes"]
               for part in truth)


def case_threads(options):
    """Components by thread from the file, against what the program knows."""
    rules = [{"name": "engine", "thread": "engine-*"}, {"name": "plugin", "thread": "plugin-*"},
             {"name": "workflow", "thread": "workflow"}]
    target = talk.Target([os.path.join(options.targets, "named_threads")])
    try:
        target.wait_ready()
        with Agent(options, targets=[{"pid": target.pid, "mode": "debug"}], components=rules) as agent:
            until(lambda: agent.target(target.pid)["traced"], "it is traced")
            truth = target.run(60)[-1]["components"]
            report_now(agent, target.pid)
            until(lambda: same(agent, target.pid, truth), f"the components are {truth}", 60)
            found = components(agent, target.pid)
            expect(not found["engine"]["estimated"], "every call was seen, and it is told as estimated")
            expect("fits nothing" not in agent.log(), agent.log())
    finally:
        target.end()
