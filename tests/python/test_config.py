# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration: values, what is refused, and the YAML, read back by an independent reader."""
import json
import re
import unittest

import holdfast
from common import ClientTest
from holdfast import MemoryProfilingConfig, MemoryProfilingLevel, MemoryProfilingMode

EVERY_KEY = dict(
    mode=MemoryProfilingMode.DEBUG,
    level=MemoryProfilingLevel.HIGH,
    sampling_interval=0.5,
    memory_warning_threshold_mb=500.0,
    memory_critical_threshold_mb=1e3,
    memory_growth_rate_threshold_mb_per_min=0.001,
    enable_leak_detection=True,
    enable_component_tracking=False,
    enable_gc_monitoring=True,
    enable_recommendations=False,
    leak_detection_interval=60,
    enabled_backends=["tracemalloc", "pympler", "gc", "system", "psutil", "native", "mmap", "faults"],
    targets=[{"comm": "python3", "cmdline": 'a: "b" # c'}, {"pid": 4312, "children": True}],
    listen="[::1]:7654",
    store="/var/lib/holdfast",
    budget="1%",
    token_file="/etc/holdfast/token",
    components=[{"name": "core_engine", "function": "engine_*"}],
    spans=[{"name": "session", "enter": "app:S.run", "key": "who", "type": "string"}],
    alerts={"webhook": [{"url": "https://x/?a=b", "secret": "yes"}], "log": {"debug": ["probe"]}},
    retention={"raw": "1h", "profiles": 200},
    fleet={"labels": {"k": "v\n\t\u00e9\u2028\x7f\U0001f600'\\"}, "interval": "60s"},
)


def read_scalar(text):
    if text.startswith('"'):
        return json.loads(text)
    if text.startswith("["):
        return [read_scalar(word) for word in text[1:-1].split(", ") if word]
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", text):
        return float(text)
    return {"true": True, "false": False, "null": None}.get(text, text)


def read_block(lines, depth):
    """Enough of YAML for what to_yaml() writes: block mappings and lists, flow lists of words."""
    result = None
    while lines:
        indent = len(lines[0]) - len(lines[0].lstrip())
        if indent < depth:
            break
        line = lines[0].strip()
        if line.startswith("- "):
            result = [] if result is None else result
            lines[0] = " " * (indent + 2) + line[2:]
            result.append(read_block(lines, indent + 2))
            continue
        key, _, value = line.partition(":")
        lines.pop(0)
        result = {} if result is None else result
        result[key] = read_scalar(value.strip()) if value else read_block(lines, indent + 1)
    return result


class Config(ClientTest):
    def test_example(self):
        config = MemoryProfilingConfig(
            mode=MemoryProfilingMode.ADVANCED,
            level=MemoryProfilingLevel.DETAILED,
            sampling_interval=0.5,
            enable_leak_detection=True,
            leak_detection_interval=60,
            memory_warning_threshold_mb=500.0,
            enable_recommendations=True,
        )
        self.assertEqual(
            config.to_yaml(),
            "memory_profiling:\n"
            "  mode: advanced\n"
            "  level: detailed\n"
            "  sampling_interval: 0.5\n"
            "  memory_warning_threshold_mb: 500.0\n"
            "  enable_leak_detection: true\n"
            "  enable_recommendations: true\n"
            "  leak_detection_interval: 60\n",
        )

    def test_every_key_there_and_back(self):
        config = MemoryProfilingConfig(**EVERY_KEY)
        self.assertEqual(list(config.to_dict()), list(EVERY_KEY))
        lines = config.to_yaml().splitlines()
        self.assertEqual(read_block(lines, 0), {"memory_profiling": config.to_dict()})
        self.assertEqual(MemoryProfilingConfig.from_dict(config.to_dict()), config)
        self.assertEqual(
            MemoryProfilingConfig.from_dict({"memory_profiling": config.to_dict()}), config
        )

    def test_words_that_yaml_takes_for_something_else_are_quoted(self):
        for word in ("off", "yes", "null", "0x10", "1e5", "", "a: b", "#", "- a", "*x", "~", "12"):
            text = MemoryProfilingConfig(fleet={"service": word}).to_yaml()
            self.assertIn(f"    service: {json.dumps(word)}\n", text)
        self.assertIn('mode: "off"', MemoryProfilingConfig(mode="off").to_yaml())

    def test_what_yaml_can_not_print_is_escaped(self):
        text = MemoryProfilingConfig(fleet={"service": "\x7f\u2028\ud800\U0001f600"}).to_yaml()
        self.assertIn('"\\u007f\\u2028\\ud800\U0001f600"', text)

    def test_enums_by_name(self):
        config = MemoryProfilingConfig(mode="Advanced", level="low")
        self.assertIs(config.mode, MemoryProfilingMode.ADVANCED)
        self.assertIs(config.level, MemoryProfilingLevel.LOW)
        self.assertEqual(
            [str(mode) for mode in MemoryProfilingMode],
            ["off", "basic", "standard", "advanced", "production", "debug"],
        )
        self.assertEqual(
            [str(level) for level in MemoryProfilingLevel], ["low", "medium", "high", "detailed"]
        )

    def test_wrong_values_are_all_told(self):
        error = self.assertFails(
            "HF-E-CONFIG",
            MemoryProfilingConfig,
            mode="fast",
            level=3,
            sampling_interval=0,
            leak_detection_interval=float("nan"),
            memory_critical_threshold_mb=True,
            enable_gc_monitoring="yes",
            enabled_backends=["gdb"],
            listen="",
            budget="much",
            targets={"pid": 1},
            alerts=[],
            fleet={"labels": {1: object()}},
        )
        for key in (
            "mode", "level", "sampling_interval", "leak_detection_interval",
            "memory_critical_threshold_mb", "enable_gc_monitoring", "enabled_backends", "listen",
            "budget", "targets", "alerts", "fleet.labels",
        ):
            self.assertIn(key, error.why)

    def test_other_wrong_inputs(self):
        for options in (
            {"memory_warning_threshold_mb": 2, "memory_critical_threshold_mb": 1},
            {"sampling_interval": -1},
            {"sampling_interval": "1"},
            {"enabled_backends": "gc"},
            {"components": ["a"]},
            {"fleet": {"interval": float("inf")}},
        ):
            self.assertFails("HF-E-CONFIG", MemoryProfilingConfig, **options)
        self.assertFails("HF-E-CONFIG", MemoryProfilingConfig.from_dict, {"modes": "x"})
        self.assertFails("HF-E-CONFIG", MemoryProfilingConfig.from_dict, {"memory_profiling": 1})
        config = MemoryProfilingConfig()
        config.sampling_interval = "x"
        self.assertFails("HF-E-CONFIG", config.to_yaml)
        self.assertFails("HF-E-CONFIG", holdfast.AdvancedMemoryProfiler, None, config)


if __name__ == "__main__":
    unittest.main()
