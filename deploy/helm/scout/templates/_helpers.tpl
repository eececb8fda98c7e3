{{- define "scout.name" -}}
{{- if .Values.nameOverride -}}
{{- .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains "scout" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-scout" (.Release.Name | trunc 44 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Name of cluster-wide objects: releases in several namespaces must not share them. */}}
{{- define "scout.clusterName" -}}
{{- $name := include "scout.name" . -}}
{{- ternary $name (printf "%s-%s" .Release.Namespace $name) (eq $name .Release.Namespace) -}}
{{- end -}}

{{- define "scout.selectorLabels" -}}
app.kubernetes.io/name: scout
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "scout.labels" -}}
{{ include "scout.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: agent
app.kubernetes.io/part-of: scout
app.kubernetes.io/managed-by: {{ .Values.managedBy | default .Release.Service }}
{{- end -}}

{{- define "scout.image" -}}
{{- with .Values.image -}}
{{- $name := printf "%s/%s" .registry .repository -}}
{{- if .digest -}}
{{- printf "%s@%s" $name .digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "scout.priorityClass" -}}
{{- .Values.priorityClass.name | default (ternary (include "scout.clusterName" .) "" .Values.priorityClass.create) -}}
{{- end -}}

{{- define "scout.consolePort" -}}
{{- .Values.config.console.port | int -}}
{{- end -}}

{{- define "scout.responderPort" -}}
{{- .Values.config.responder.port | int -}}
{{- end -}}

{{/* Not empty if agents query the pods of cluster DNS one by one. */}}
{{- define "scout.asksDnsPods" -}}
{{- $enabled := toString .Values.dnsPods.enabled -}}
{{- if or (eq $enabled "true") (and (eq $enabled "") (eq .Values.variant "privileged")) }}true{{ end -}}
{{- end -}}

{{/* Configuration of every agent of this release: the chart's part, overridden by .Values.config. */}}
{{- define "scout.config" -}}
{{- $own := dict "discovery" "kubernetes" "service" (include "scout.name" .) "nodeConditions" .Values.nodeConditions "nodeEvents" .Values.nodeEvents -}}
{{- if include "scout.asksDnsPods" . -}}
{{- $_ := set $own "dnsService" (printf "%s/%s" .Values.dnsPods.namespace .Values.dnsPods.service) -}}
{{- end -}}
{{- if .Values.history.volume -}}
{{- $_ := set $own "historyFile" "/var/lib/scout/history" -}}
{{- end -}}
{{- toYaml (mergeOverwrite $own (deepCopy .Values.config)) -}}
{{- end -}}

{{/* The capabilities of the values, in the words of setpriv(1). */}}
{{- define "scout.keptCapabilities" -}}
-all{{ range .Values.capabilities }},+{{ lower . }}{{ end }}
{{- end -}}
