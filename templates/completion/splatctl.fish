# Completion of splatctl for fish. To have it in every shell:
#   splatctl completion fish > ~/.config/fish/completions/splatctl.fish

function __splatctl_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l program $before[1]
    set -e before[1]
    set -l lines ($program __complete -- $before "$current" 2>/dev/null)
    set -l directive $lines[1]
    set -e lines[1]
    if test (count $lines) -gt 0
        printf '%s\n' $lines
    end
    if not string match -q -- ':f*' "$directive"
        return
    end
    set -l prefix (string match -r -- '^--[^=]+=' "$current")
    set -l path (string replace -r -- '^--[^=]+=' '' "$current")
    set -l found
    if test "$directive" = :folders
        set found (__fish_complete_directories "$path" '')
    else
        set found (__fish_complete_path "$path")
        set -l endings (string replace -r '^:files ?' '' "$directive" | string replace -a ' ' '|')
        if test -n "$endings"
            set found (string match -r -- "^.*(?:/|\.(?:$endings))(?:\t.*)?"'$' $found)
        end
    end
    for each in $found
        printf '%s%s\n' "$prefix" $each
    end
end

complete -c splatctl -e
complete -c splatctl -f -k -a '(__splatctl_complete)'
