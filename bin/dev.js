#!/usr/bin/env node
// Like run.js, but from the sources: only the table of commands has to be built.
'use strict'

if (require('./launch.js').ready()) require('../src/main.ts')
