#!/usr/bin/env node
// Like run.js, from the sources: nothing has to be built.
'use strict'

if (require('./launch.js').ready()) require('../src/main.ts')
