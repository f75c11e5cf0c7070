# SPDX-License-Identifier: GPL-2.0-or-later
# What is generated from the tables in user/config: awk -v output=NAME -f this options.def records.def words.def
#   holdfast.1            the man page; prose comes from user/man/holdfast.1.in
#   holdfast.bash         completion for bash
#   config.schema.json    JSON schema of the YAML file
# POSIX awk (mawk and gawk print the same bytes).

function fail(text) {
	print "gen-options.awk: " text >"/dev/stderr"
	failed = 1
	exit 1
}

# Splits the arguments of a row at commas outside of quotes into part[1…]; adjacent strings join.
function split_row(row,   i, c, quoted, n) {
	sub(/^[A-Z]+[(]/, "", row)
	sub(/[)][ \t]*$/, "", row)
	delete part
	n = 1
	part[1] = ""
	for (i = 1; i <= length(row); i++) {
		c = substr(row, i, 1)
		if (c == "\"")
			quoted = !quoted
		else if (c == "," && !quoted)
			part[++n] = ""
		else if (quoted || (c != " " && c != "\t"))
			part[n] = part[n] c
	}
	return n
}

function take_field() {
	owner[++fields] = part[1]
	field_key[fields] = part[3]
	field_kind[fields] = part[4]
	field_range[fields] = part[5]
	field_initial[fields] = part[6]
	field_need[fields] = part[7]
	field_example[fields] = part[8]
	field_help[fields] = part[9]
}

function take_row(row,   n) {
	n = split_row(row)
	if (row ~ /^COMMAND/) {
		if (n != 9)
			fail("COMMAND with " n " columns: " row)
		command[++commands] = part[1]
		arguments[commands] = part[2]
		positional[commands] = part[3]
		built[commands] = part[7] == "true"
		does[commands] = part[8]
		example[commands] = part[9]
		return
	}
	if (row ~ /^DEFAULT/) {
		if (n != 3)
			fail("DEFAULT with " n " columns: " row)
		special[part[2]] = special[part[2]] " " part[1] ": " part[3] "."
		return
	}
	if (row ~ /^RECORD/) {
		if (n != 3)
			fail("RECORD with " n " columns: " row)
		record[++records] = part[1]
		record_name[part[1]] = part[2]
		return
	}
	if (row ~ /^WORD/) {
		if (n != 5)
			fail("WORD with " n " columns: " row)
		word[++words] = part[1]
		word_arguments[words] = part[2]
		word_help[words] = part[5]
		return
	}
	if (row ~ /^FIELD/) {
		if (n != 9)
			fail("FIELD with " n " columns: " row)
		take_field()
		return
	}
	if (n != 10)
		fail("OPTION with " n " columns: " row)
	name[++options] = part[2]
	field[options] = part[1]
	letter[options] = part[3] == "0" ? "" : substr(part[3], 2, 1)
	kind[options] = part[4]
	arg[options] = part[5]
	initial[options] = part[6]
	range[options] = part[7]
	takers[options] = part[8]
	help[options] = part[10]
	key[options] = part[2]
	gsub(/-/, "_", key[options])
}

/^(COMMAND|OPTION|DEFAULT|RECORD|FIELD|WORD)[(]/ { row = "" ; in_row = 1 }
in_row {
	row = row $0
	if ($0 ~ /[)][ \t]*$/) {
		take_row(row)
		in_row = 0
	}
}

function is_choice(kind_of) {
	return kind_of == "CHOICE" || kind_of == "ENUM" || kind_of == "SET"
}

# --- man page

# Text for troff: backslashes, hyphens that are minus signs, and control characters at the start.
function troff(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	if (text ~ /^[.']/)
		text = "\\&" text
	return text
}

# Alternatives or a range, in words.
function allowed(text, kind_of,   two, word) {
	if (text == "" || kind_of == "SWITCH" || kind_of == "BOOL" || kind_of ~ /^RECORD/)
		return ""
	if (is_choice(kind_of)) {
		gsub(/[|]/, ", ", text)
		return (kind_of == "SET" ? "All, or of: " : "One of: ") text ". "
	}
	split(text, two, "[|]")
	word = two[2]
	split(two[1], two, "[.][.]")
	return "From " two[1] " to " two[2] (word == "" ? "" : ", or " word) ". "
}

function man_option(i,   text) {
	print ".TP"
	text = letter[i] == "" ? "" : "\\fB\\-" letter[i] "\\fR, "
	text = text "\\fB\\-\\-" troff(name[i]) "\\fR"
	print text (arg[i] == "" ? "" : " \\fI" troff(arg[i]) "\\fR")
	print troff(toupper(substr(help[i], 1, 1)) substr(help[i], 2)) "."
	text = allowed(range[i], kind[i])
	if (initial[i] != "")
		text = text "Default: " initial[i] "." special[field[i]] " "
	if (kind[i] ~ /_LIST$/ || kind[i] == "SET")
		text = text "May be repeated. "
	text = text (takers[i] == "*" ? "All commands." : "Commands: " takers[i] ".")
	gsub(/ +$/, "", text)
	print troff(text)
}

# The fields of a record, and those of the records in it, deeper.
function man_record(tag,   i, text) {
	for (i = 1; i <= fields; i++) {
		if (owner[i] != tag)
			continue
		print ".TP"
		print "\\fB" troff(field_key[i]) "\\fR"
		text = toupper(substr(field_help[i], 1, 1)) substr(field_help[i], 2) ". "
		text = text allowed(field_range[i], field_kind[i])
		if (field_initial[i] != "")
			text = text "Default: " field_initial[i] ". "
		if (field_need[i] == "REQUIRED")
			text = text "Needed. "
		if (field_kind[i] == "RECORDS")
			text = text "A list of mappings. "
		if (field_kind[i] == "RECORD")
			text = text "A mapping. "
		if (field_example[i] != "")
			text = text "Example: " field_example[i]
		gsub(/ +$/, "", text)
		print troff(text)
		if (field_kind[i] ~ /^RECORD/) {
			print ".RS"
			man_record(field_range[i])
			print ".RE"
		}
	}
}

function man_command(i,   w) {
	print ".TP"
	print "\\fB" command[i] "\\fR \\fI" troff(arguments[i]) "\\fR"
	print troff(toupper(substr(does[i], 1, 1)) substr(does[i], 2)) (built[i] ? "." : " (not built yet).")
	print ".br"
	print "Example: \\fBholdfast " troff(example[i]) "\\fR"
	if (positional[i] != "WORDS")
		return
	print ".RS"
	for (w = 1; w <= words; w++) {
		print ".TP"
		print "\\fB" word[w] "\\fR \\fI" troff(word_arguments[w]) "\\fR"
		print troff(toupper(substr(word_help[w], 1, 1)) substr(word_help[w], 2)) "."
	}
	print ".RE"
}

function print_man(   skeleton, line, i, got) {
	skeleton = "user/man/holdfast.1.in"
	while ((got = (getline line <skeleton)) > 0) {
		if (line == "@COMMANDS@")
			for (i = 1; i <= commands; i++)
				man_command(i)
		else if (line == "@OPTIONS@")
			for (i = 1; i <= options; i++)
				man_option(i)
		else if (line == "@RECORDS@")
			man_record("agent_config")
		else
			print line
	}
	if (got < 0)
		fail("cannot read " skeleton)
}

# --- completion

function applies(i, c) {
	return takers[i] == "*" || index(" " takers[i] " ", " " command[c] " ")
}

function print_bash(   c, i, text, values) {
	print "# bash completion for holdfast; generated, do not edit"
	print "_holdfast()"
	print "{"
	print "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options= words="
	print "\tCOMPREPLY=()"
	text = ""
	for (c = 1; c <= commands; c++)
		text = text command[c] " "
	print "\tif [[ $COMP_CWORD -eq 1 ]]; then"
	print "\t\tCOMPREPLY=($(compgen -W '" text "--help --version' -- \"$cur\"))"
	print "\t\treturn"
	print "\tfi"
	print "\tcase $prev in"
	for (i = 1; i <= options; i++) {
		values = ""
		if (is_choice(kind[i]) || kind[i] == "SWITCH" || kind[i] == "BOOL")
			values = range[i]
		gsub(/[|]/, " ", values)
		text = "--" name[i] (letter[i] == "" ? "" : "|-" letter[i])
		if (values != "")
			print "\t" text ") COMPREPLY=($(compgen -W '" values "' -- \"$cur\")); return ;;"
		else if (kind[i] ~ /PATH|OUTPUT/)
			print "\t" text ") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;"
		else if (kind[i] != "FLAG" && kind[i] != "ACTION")
			print "\t" text ") return ;;"
	}
	print "\tesac"
	print "\tcase ${COMP_WORDS[1]} in"
	for (c = 1; c <= commands; c++) {
		text = ""
		for (i = 1; i <= options; i++)
			if (applies(i, c))
				text = text (text == "" ? "" : " ") "--" name[i]
		print "\t" command[c] ")"
		print "\t\toptions='" text "'"
		if (positional[c] == "PIDS")
			print "\t\t[[ $cur == -* ]] || words=$(ps -e -o pid=)"
		else if (positional[c] == "FILES")
			print "\t\t[[ $cur == -* ]] || COMPREPLY=($(compgen -f -- \"$cur\"))"
		else if (positional[c] == "WORDS") {
			text = ""
			for (i = 1; i <= words; i++)
				text = text (text == "" ? "" : " ") word[i]
			print "\t\t[[ $cur == -* || $COMP_CWORD -ne 2 ]] || words='" text "'"
		}
		print "\t\t;;"
	}
	print "\tesac"
	print "\tCOMPREPLY+=($(compgen -W \"$options $words\" -- \"$cur\"))"
	print "}"
	print "complete -o filenames -F _holdfast holdfast"
}

# --- JSON schema

function json(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	return "\"" text "\""
}

# The type of a value of one kind, with its choices.
function schema_type(kind_of, choices) {
	gsub(/[|]/, "\", \"", choices)
	choices = "[\"" choices "\"]"
	if (kind_of == "FLAG" || kind_of == "SWITCH" || kind_of == "BOOL")
		return "\"type\": \"boolean\""
	if (kind_of == "CHOICE" || kind_of == "ENUM")
		return "\"enum\": " choices
	if (kind_of == "SET")
		return "\"type\": [\"string\", \"array\"], \"items\": {\"enum\": " choices "}"
	if (kind_of == "URL")
		return "\"type\": \"string\", \"pattern\": \"^[Hh][Tt][Tt][Pp][Ss]?://\""
	if (kind_of == "LABELS")
		return "\"type\": \"object\", \"additionalProperties\": {\"type\": [\"string\", \"number\", \"boolean\"]}"
	if (kind_of ~ /_LIST$/)
		return "\"type\": [\"string\", \"array\"], \"items\": {\"type\": \"string\"}"
	if (kind_of ~ /^(SIZE|PERCENT|NUMBER|SECONDS|MEGABYTES|MB_PER_MIN|NAME|HEX|USER)$/)
		return "\"type\": [\"string\", \"number\"]"
	return "\"type\": \"string\""
}

# The properties of a record, each on a line behind `indent`.
function schema_fields(tag, indent,   i, text, comma) {
	comma = ""
	for (i = 1; i <= fields; i++) {
		if (owner[i] != tag)
			continue
		text = text comma indent json(field_key[i]) ": {"
		comma = ",\n"
		if (field_kind[i] == "RECORD")
			text = text schema_record(field_range[i], indent, "[\"object\", \"null\"]")
		else if (field_kind[i] == "RECORDS")
			text = text "\"type\": [\"array\", \"null\"], \"items\": {" \
				schema_record(field_range[i], indent, "\"object\"") "}"
		else
			text = text schema_type(field_kind[i], field_range[i])
		text = text ", \"description\": " json(field_help[i])
		if (field_initial[i] != "")
			text = text ", \"default\": " json(field_initial[i])
		text = text "}"
	}
	return text
}

function schema_record(tag, indent, type,   i, text, required, needed) {
	text = "\"type\": " type ", \"additionalProperties\": false, \"properties\": {\n"
	text = text schema_fields(tag, indent "  ") "\n" indent "}"
	for (i = 1; i <= fields; i++) {
		if (owner[i] == tag && field_need[i] == "REQUIRED")
			required = required (required == "" ? "" : ", ") json(field_key[i])
		if (owner[i] == tag && field_need[i] == "NEEDED")
			needed = needed (needed == "" ? "" : ", ") "{\"required\": [" json(field_key[i]) "]}"
	}
	if (required != "")
		text = text ", \"required\": [" required "]"
	if (needed != "")
		text = text ", \"anyOf\": [" needed "]"
	return text
}

function schema_default(i) {
	if (kind[i] == "SWITCH")
		return initial[i] == "on" ? "true" : "false"
	return kind[i] == "BOOL" ? initial[i] : json(initial[i])
}

function print_schema(   i, text, comma) {
	print "{"
	print "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\","
	print "  \"title\": \"holdfast configuration\","
	print "  \"type\": \"object\","
	print "  \"additionalProperties\": false,"
	print "  \"properties\": {\"memory_profiling\": {"
	print "    \"type\": [\"object\", \"null\"],"
	print "    \"additionalProperties\": false,"
	print "    \"properties\": {"
	for (i = 1; i <= options; i++) {
		if (kind[i] == "ACTION" || name[i] == "config")
			continue
		text = comma "      " json(key[i]) ": {" schema_type(kind[i], range[i]) ", \"description\": " json(help[i])
		if (initial[i] != "")
			text = text ", \"default\": " schema_default(i)
		printf "%s}", text
		comma = ",\n"
	}
	if (fields)
		printf ",\n%s", schema_fields("agent_config", "      ")
	print "\n    }\n  }}\n}"
}

END {
	if (failed)
		exit 1
	if (in_row || !commands || !options)
		fail("the table has no end, or no rows")
	if (output == "holdfast.1")
		print_man()
	else if (output == "holdfast.bash")
		print_bash()
	else if (output == "config.schema.json")
		print_schema()
	else
		fail("nothing is known of " output)
}
