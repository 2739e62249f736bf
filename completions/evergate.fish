# evergate's words for fish. Only the asking is here: evergate itself knows its commands, options,
# pools and endpoints ("evergate __complete", cli/completion.c).
#
#   evergate completion fish | source

function __evergate_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]

    # "--color=al": fish wants the whole word back, evergate answers with the argument alone.
    set -l before ""
    if string match -q -- '--*=*' $current
        set before (string replace -r -- '=.*' '=' $current)
    end

    for line in ($program __complete $words "$current" 2>/dev/null)
        if test "$line" = :files
            for path in (__fish_complete_path (string replace -- "$before" "" $current))
                echo -- $before$path
            end
        else
            echo -- $before$line
        end
    end
end

complete -c evergate -f -a '(__evergate_complete)'
