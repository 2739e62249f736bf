# evergate's words for bash. Only the asking is here: evergate itself knows its commands, options,
# pools and endpoints ("evergate __complete", cli/completion.c).
#
#   source <(evergate completion bash)

_evergate() {
    local line=${COMP_LINE:0:COMP_POINT} words current program candidate cut
    COMPREPLY=()

    # Readline splits words at ':' and '=' as well, which addresses and KEY=VALUE are full of: the
    # line is split at white space here, and what readline takes for finished is cut off below.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    ((${#words[@]} > 1)) || return 0
    program=${words[0]}
    current=${words[-1]}
    [[ $program == "~"* ]] && program=$HOME${program:1}

    cut=
    if [[ $current == *[:=]* && $COMP_WORDBREAKS == *[:=]* ]]; then
        cut=${current%"${current##*[:=]}"}
    fi
    # An option's argument in the same word comes without the option.
    local begun=$cut
    [[ $current == --*=* ]] && begun=${cut#"${current%%=*}="}

    while IFS=$'\t' read -r candidate _; do
        if [[ $candidate == :files ]]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r candidate; do
                COMPREPLY+=("${candidate#"$begun"}")
            done < <(compgen -f -- "${current#"${current%%=*}="}")
            continue
        fi
        [[ $candidate == *= ]] && compopt -o nospace 2>/dev/null
        COMPREPLY+=("$(printf %q "${candidate#"$begun"}")")
    done < <("$program" __complete "${words[@]:1}" 2>/dev/null)
    return 0
}

complete -F _evergate evergate
