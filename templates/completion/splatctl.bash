# Completion of splatctl for bash. To have it in every shell:
#   splatctl completion bash > ~/.local/share/bash-completion/completions/splatctl   (with the package bash-completion)
#   echo 'eval "$(splatctl completion bash)"' >> ~/.bashrc                            (without)
# For bash from 3.2 on (macOS), with and without the package bash-completion. COMP_WORDS has `--a=b` and `http://c` in
# pieces, as COMP_WORDBREAKS says: they are put together again by the line, and what readline will not replace is left
# out of the answers.

_splatctl_complete() {
  local rest=${COMP_LINE:0:COMP_POINT} word trimmed current program line value directive='' prefix='' endings i
  local -a words=()
  COMPREPLY=()
  for ((i = 0; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    trimmed=${rest#"${rest%%[![:space:]]*}"}
    if ((i > 0)) && [[ $trimmed == "$rest" ]]; then
      words[${#words[@]}-1]+=$word
    else
      words+=("$word")
    fi
    rest=${trimmed#"$word"}
  done
  trimmed=${rest#"${rest%%[![:space:]]*}"}
  current=$trimmed
  if [[ $trimmed == "$rest" && ${#words[@]} -gt 1 ]]; then
    i=$((${#words[@]} - 1))
    current=${words[i]}$trimmed
    unset "words[$i]"
  fi
  program=${words[0]/#\~/$HOME}
  [[ $COMP_WORDBREAKS == *=* && $current == *=* ]] && prefix=${current%"${current##*=}"}
  if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then
    line=${current%"${current##*:}"}
    ((${#line} > ${#prefix})) && prefix=$line
  fi
  while IFS= read -r line; do
    if [[ -z $directive ]]; then
      directive=$line
      continue
    fi
    value=${line%%$'\t'*}
    printf -v value %q "${value#"$prefix"}"
    COMPREPLY+=("$value")
  done < <("$program" __complete -- "${words[@]:1}" "$current" 2> /dev/null)
  [[ $directive == :f* ]] || return 0
  if [[ $directive == :files ]]; then
    # Nothing here: readline completes files by itself.
    type compopt > /dev/null 2>&1 && compopt -o default
    return 0
  fi
  endings=" ${directive#:files} "
  current=${current#"$prefix"}
  while IFS= read -r value; do
    if [[ -d ${value/#\~/$HOME} || ($directive == :files* && $endings == *" ${value##*.} "*) ]]; then
      COMPREPLY+=("$value")
    fi
  done < <(compgen -f -- "$current")
  type compopt > /dev/null 2>&1 && compopt -o filenames
  return 0
}

if type compopt > /dev/null 2>&1; then
  complete -F _splatctl_complete splatctl
else
  complete -o default -F _splatctl_complete splatctl
fi
