#!/usr/bin/env node
import '../dist/main-kubectl.js'
