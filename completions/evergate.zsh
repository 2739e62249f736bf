#compdef evergate
# evergate's words for zsh. Only the asking is here: evergate itself knows its commands, options,
# pools and endpoints ("evergate __complete", cli/completion.c).
#
#   source <(evergate completion zsh)        after compinit, in ~/.zshrc
#   evergate completion zsh > _evergate      in a folder of $fpath

_evergate() {
    local line word what
    local -a plain open answers
    answers=("${(@f)$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")

    # "--color=al": the argument alone is what is completed.
    [[ $PREFIX == --*=* ]] && compset -P '--*='

    for line in "${answers[@]}"; do
        [[ -n $line ]] || continue
        if [[ $line == :files ]]; then
            _files
            continue
        fi
        word=${line%%$'\t'*}
        what=
        [[ $line == *$'\t'* ]] && what=":${line#*$'\t'}"
        if [[ $word == *= ]]; then
            open+=("${word//:/\\:}$what")
        else
            plain+=("${word//:/\\:}$what")
        fi
    done
    ((${#plain})) && _describe -t words evergate plain
    ((${#open})) && _describe -t keys evergate open -S ''
    return 0
}

# Read by compinit it is called as a function's body; read by `source` it is registered.
if [[ ${funcstack[1]-} == _evergate ]]; then
    _evergate "$@"
else
    compdef _evergate evergate
fi
